// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P384} from "src/attestation/P384.sol";

/// @notice The library as a contract, for tests that need a call: its gas, its reverts, and calls from a node.
contract P384Harness {
    function verify(bytes memory digest, bytes memory signature, bytes memory key, bytes calldata hints) external view {
        P384.verify(digest, signature, key, hints);
    }
}
