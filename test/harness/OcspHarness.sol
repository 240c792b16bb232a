// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ocsp} from "src/attestation/Ocsp.sol";
import {X509} from "src/attestation/X509.sol";

/// @notice The reader of OCSP answers from outside: for reverts, and calls from a node.
contract OcspHarness {
    function parse(bytes calldata der) external pure returns (Ocsp.Response memory) {
        return Ocsp.parse(der);
    }

    function responderSerial(bytes calldata der) external pure returns (uint256) {
        Ocsp.Response memory r = Ocsp.parse(der);
        return X509.parseKnowing(der[r.certificate:r.certificateEnd], keccak256(hex"551d25")).serial;
    }
}
