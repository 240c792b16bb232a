// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IntelPck} from "src/attestation/IntelPck.sol";
import {IntelQuote} from "src/attestation/IntelQuote.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {X509} from "src/attestation/X509.sol";

/// @notice Quotes and PCK chains from outside: for reverts, gas, and calls from a node.
contract TdxHarness {
    function parse(bytes calldata data) external pure returns (IntelQuote.Quote memory) {
        return IntelQuote.parse(data);
    }

    function verify(bytes calldata data, bytes calldata pckKey)
        external
        view
        returns (bytes32 first, bytes32 second, bytes32 measurement)
    {
        IntelQuote.Quote memory q = IntelQuote.parse(data);
        IntelQuote.verify(data, q, pckKey);
        (first, second) = IntelQuote.reportData(data, q);
        measurement = IntelQuote.measurement(data, q);
    }

    function quotingEnclave(bytes calldata data) external pure returns (IntelQuote.Enclave memory) {
        return IntelQuote.quotingEnclave(data, IntelQuote.parse(data));
    }

    function verifyChain(bytes[] calldata chain, bytes32 root, uint256 time)
        external
        view
        returns (IntelPck.Pck memory)
    {
        return IntelPck.verifyChain(chain, root, time);
    }

    function leaf(bytes calldata der) external pure returns (IntelPck.Pck memory) {
        return IntelPck.readLeaf(der, X509.parse(der));
    }

    function p256(bytes32 digest, bytes calldata signature, bytes calldata key) external view {
        P256Ecdsa.verify(digest, signature, key);
    }
}
