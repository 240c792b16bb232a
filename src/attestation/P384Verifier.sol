// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P384} from "./P384.sol";
import {Sha384} from "./Sha384.sol";

/// @title ECDSA over P-384 with SHA-384 as a contract
/// @notice For contracts that have no room for both libraries.
contract P384Verifier {
    /// @notice Returns if the key signed the message, and reverts with an error of `P384` otherwise.
    /// @param signature r and s, 48 bytes big-endian each; `key` likewise is x and y.
    /// @param hints See `P384`.
    function verify(bytes calldata message, bytes calldata signature, bytes calldata key, bytes calldata hints)
        external
        view
    {
        P384.verify(Sha384.sha384(message), signature, key, hints);
    }
}
