// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {instructionAt} from "src/machine/Instruction.sol";
import {Element, Statement, Statements} from "src/spotcheck/Statements.sol";

/// @notice An element of the row that an instruction makes, and one of its segments.
struct StatementCase {
    bytes instruction;
    Element element;
    uint256 segment;
}

/// @title Statements about elements, for differential tests by `eth_call`
contract StatementHarness {
    function statementsOf(StatementCase[] calldata cases)
        external
        pure
        returns (uint256[] memory segments, Statement[] memory statements)
    {
        (segments, statements) = (new uint256[](cases.length), new Statement[](cases.length));
        for (uint256 k; k < cases.length; ++k) {
            Element memory x = cases[k].element;
            segments[k] = Statements.segments(instructionAt(cases[k].instruction, 0), x.t, x.element);
            statements[k] =
                Statements.statementOf(instructionAt(cases[k].instruction, 0), x, cases[k].segment, segments[k]);
        }
    }
}
