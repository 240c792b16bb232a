// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AnswersTest} from "../utils/AnswersTest.sol";
import {DrawnPair, DrawnStep} from "src/interfaces/IElementVerifier.sol";
import {Groth16} from "src/spotcheck/Groth16.sol";
import {Circuit} from "src/spotcheck/Statements.sol";

/// @notice What a transaction that proves several pairs costs, taken apart: a constant, each step after the first, each circuit that occurs in it, each pair.
///         `ts/bench/draw-gas.ts` puts it together again for what is drawn of a model.
contract PairGasTest is AnswersTest {
    string private constant FILE = "pairs";
    uint256 private constant CIRCUITS = 6;

    /// @dev Of each pair, and of each circuit.
    uint256[] private _pairGas;
    uint256[CIRCUITS] private _circuitGas;
    uint256 private _constantGas;
    uint256 private _stepGas;
    /// @dev One proof alone is multiplied by nothing.
    uint256 private _savedAlone;

    function setUp() public override {
        super.setUp();
        uint256[] memory four = new uint256[](4);
        (four[0], four[1]) = (_numberOf("dequant"), _numberOf("embed"));
        (four[2], four[3]) = (_numberOf("fold_dot"), _numberOf("fold_amax"));
        uint256[] memory five = _with(four, _numberOf("rope of a cached row"));
        uint256[] memory all = _with(five, _numberOf("fold_mix"));
        uint256 base = _gasOf(all);
        for (uint256 k; k < _answers.length; ++k) {
            _pairGas.push(_gasOf(_with(all, k)) - base);
        }
        uint256 parts;
        for (uint256 i; i < four.length; ++i) {
            parts += _pairGas[four[i]] + _addCircuit(_without(four, i), four[i]);
        }
        _constantGas = _gasOf(four) - parts;
        _savedAlone = _constantGas + _circuitGas[0] + _pairGas[four[0]] - _gasOf(_with(new uint256[](0), four[0]));
        _addCircuit(four, five[4]);
        _addCircuit(five, all[5]);
        _stepGas = (_gasOf(_repeated(four, 10), four.length) - _gasOf(_repeated(four, 10), 10 * four.length)) / 9;
    }

    /// @dev An answer has one circuit that some others do not have: measures what it costs.
    function _addCircuit(uint256[] memory others, uint256 k) private returns (uint256 gas) {
        (bool[CIRCUITS] memory before, bool[CIRCUITS] memory with_) =
            (_circuitsOf(others), _circuitsOf(_with(others, k)));
        gas = _gasOf(_with(others, k)) - _gasOf(others) - _pairGas[k];
        uint256 found;
        for (uint256 c; c < CIRCUITS; ++c) {
            if (with_[c] == before[c]) continue;
            (_circuitGas[c], found) = (gas, found + 1);
        }
        assertEq(found, 1, "one more");
    }

    function test_snapshot_parts_succeeds() public {
        string[CIRCUITS] memory circuits = ["map", "gather", "dot", "fold", "attention", "link"];
        for (uint256 c; c < CIRCUITS; ++c) {
            assertGt(_circuitGas[c], 0, circuits[c]);
            vm.snapshotValue(FILE, string.concat("circuit ", circuits[c]), _circuitGas[c]);
        }
        for (uint256 k; k < _answers.length; ++k) {
            vm.snapshotValue(FILE, _answers[k].name, _pairGas[k]);
        }
        vm.snapshotValue(FILE, "transaction", _constantGas);
        vm.snapshotValue(FILE, "another step", _stepGas);
        vm.snapshotValue(FILE, "saved by a proof alone", _savedAlone);
    }

    /// @dev Any one to four pairs of each of one to ten steps cost what their parts do, to 5%.
    function testFuzz_gas_isTheSumOfItsParts_succeeds(uint256 n, uint256 steps, uint256 seed) public view {
        (n, steps) = (bound(n, 1, 4), bound(steps, 1, 10));
        uint256[] memory pairs = new uint256[](n * steps);
        uint256 expected = _constantGas + (steps - 1) * _stepGas;
        for (uint256 i; i < pairs.length; ++i) {
            pairs[i] = uint256(keccak256(abi.encode(seed, i))) % _answers.length;
            expected += _pairGas[pairs[i]];
        }
        bool[CIRCUITS] memory circuits = _circuitsOf(pairs);
        for (uint256 c; c < CIRCUITS; ++c) {
            if (circuits[c]) expected += _circuitGas[c];
        }
        if (pairs.length == 1 && _answers[pairs[0]].proofs.length == 1) expected -= _savedAlone;
        assertApproxEqRel(_gasOf(pairs, n), expected, 0.05e18);
    }

    /// @dev Gas of the whole transaction, all pairs of one step.
    function _gasOf(uint256[] memory which) private view returns (uint256) {
        return _gasOf(which, which.length);
    }

    /// @dev So many pairs of each step.
    function _gasOf(uint256[] memory which, uint256 perStep) private view returns (uint256) {
        DrawnStep[] memory steps = new DrawnStep[](which.length / perStep);
        bytes[] memory openings = new bytes[](which.length);
        bytes memory proofs;
        for (uint256 i; i < which.length; ++i) {
            if (i % perStep == 0) steps[i / perStep] = _asked(_step, new DrawnPair[](perStep))[0];
            (steps[i / perStep].pairs[i % perStep], openings[i]) = (_answers[which[i]].pair, _answers[which[i]].opening);
            proofs = bytes.concat(proofs, _proofs(which[i]));
        }
        _verifier.requireProven(steps, openings, proofs);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _repeated(uint256[] memory some, uint256 times) private pure returns (uint256[] memory all) {
        all = new uint256[](some.length * times);
        for (uint256 i; i < all.length; ++i) {
            all[i] = some[i % some.length];
        }
    }

    function _circuitsOf(uint256[] memory which) private view returns (bool[CIRCUITS] memory circuits) {
        for (uint256 i; i < which.length; ++i) {
            Groth16.Claim[] memory claims = _verifier.claimsOf(_asked(which[i]), _openings(which[i]));
            for (uint256 k; k < claims.length; ++k) {
                for (uint256 c; c < CIRCUITS; ++c) {
                    if (claims[k].key == _verifier.keyOf(Circuit(c))) circuits[c] = true;
                }
            }
        }
    }

    function _without(uint256[] memory all, uint256 place) private pure returns (uint256[] memory fewer) {
        fewer = new uint256[](all.length - 1);
        for (uint256 i; i < fewer.length; ++i) {
            fewer[i] = all[i < place ? i : i + 1];
        }
    }

    function _with(uint256[] memory all, uint256 k) private pure returns (uint256[] memory more) {
        more = new uint256[](all.length + 1);
        for (uint256 i; i < all.length; ++i) {
            more[i] = all[i];
        }
        more[all.length] = k;
    }
}
