// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SpdmReport} from "src/attestation/SpdmReport.sol";
import {X509} from "src/attestation/X509.sol";

/// @notice The parsers from outside: for reverts, and calls from a node.
contract ParserHarness {
    function certificate(bytes calldata der) external pure returns (X509.Certificate memory) {
        return X509.parse(der);
    }

    function extension(bytes calldata der, bytes calldata oid) external pure returns (bytes memory) {
        (uint256 start, uint256 stop) = X509.extension(der, X509.parse(der), oid);
        return der[start:stop];
    }

    function checkIssuer(bytes calldata der, bytes calldata issuer, uint256 below) external pure {
        X509.checkIssuer(X509.parse(der), X509.parse(issuer), below);
    }

    function checkTime(bytes calldata der, uint256 time) external pure {
        X509.checkTime(X509.parse(der), time);
    }

    function report(bytes calldata data) external pure returns (SpdmReport.Report memory) {
        return SpdmReport.parse(data);
    }

    function digest(bytes calldata data, uint256 chosen) external pure returns (bytes32) {
        return SpdmReport.digest(data, SpdmReport.parse(data), chosen);
    }

    function measurement(bytes calldata data, uint256 index) external pure returns (bytes memory) {
        return SpdmReport.measurement(data, SpdmReport.parse(data), index);
    }

    function field(bytes calldata data, uint16 kind) external pure returns (bytes memory) {
        return SpdmReport.field(data, SpdmReport.parse(data), kind);
    }
}
