// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {H100} from "src/attestation/H100.sol";
import {SpdmReport} from "src/attestation/SpdmReport.sol";
import {X509} from "src/attestation/X509.sol";

/// @notice Leaves, reports and chains from outside: for reverts, gas, and calls from a node.
contract H100Harness {
    function leaf(bytes calldata der) external pure returns (H100.Leaf memory) {
        return H100.readLeaf(der, X509.parse(der));
    }

    function verifyChain(bytes[] calldata chain, bytes[] calldata hints, bytes32 root, uint256 time)
        external
        view
        returns (H100.Leaf memory)
    {
        return H100.verifyChain(chain, hints, root, time);
    }

    function verifyReport(bytes calldata data, H100.Leaf calldata leaf_, bytes32 nonce, bytes calldata hints)
        external
        view
        returns (SpdmReport.Report memory)
    {
        return H100.verifyReport(data, leaf_, nonce, hints);
    }
}
