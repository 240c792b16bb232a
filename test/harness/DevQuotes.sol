// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DevCertificates} from "./DevCertificates.sol";

/// @title Quotes in the form of Intel's: signed by a software key for which an enclave vouches that the development PCK certificate signed
library DevQuotes {
    /// @notice What a test changes; the rest is valid.
    /// @param teeTcbSvn Of TDX bodies.
    /// @param enclaveSvn Security version of the quoting enclave.
    /// @param reportData First half of the body's report data, if it is not 0.
    struct Shape {
        uint256 version;
        uint256 bodyBytes;
        bool debug;
        bool debugEnclave;
        bool septVe;
        bytes32 behindHash;
        bytes32 otherHash;
        bytes16 teeTcbSvn;
        bytes8 moduleAttributes;
        uint16 enclaveSvn;
        bytes32 reportData;
    }

    string internal constant ATTESTATION = "attestation";
    uint256 internal constant PEM_BYTES = 3678;
    /// @notice Of the quoting enclave: signer, product, MISCSELECT, attributes without the debug bit.
    bytes32 internal constant ENCLAVE_SIGNER = keccak256("enclave");
    bytes4 internal constant ENCLAVE_MISC = 0x01020304;
    bytes16 internal constant ENCLAVE_ATTRIBUTES = 0x15000000000000000700000000000000;

    function shape(uint256 version, uint256 bodyBytes) internal pure returns (Shape memory s) {
        s.version = version;
        s.bodyBytes = bodyBytes;
        s.teeTcbSvn = 0x05010203000000000000000000000000;
        s.enclaveSvn = 0x0106;
    }

    function quote(Shape memory s) internal pure returns (bytes memory) {
        bytes memory signed = bytes.concat(_header(s), _body(s));
        bytes memory key = DevCertificates.key(ATTESTATION);
        bytes memory auth = _filled("auth", 32);
        bytes memory report = _enclaveReport(s, key, auth);
        bytes memory certified = bytes.concat(report, DevCertificates.sign(DevCertificates.PCK, report));
        certified = bytes.concat(certified, hex"2000", auth, hex"0500", _little4(PEM_BYTES), _filled("pem", PEM_BYTES));
        if (s.version != 3) certified = bytes.concat(hex"0600", _little4(certified.length), certified);
        bytes memory data = bytes.concat(DevCertificates.sign(ATTESTATION, signed), key, certified);
        return bytes.concat(signed, _little4(data.length), data);
    }

    function _header(Shape memory s) private pure returns (bytes memory) {
        return bytes.concat(
            bytes1(uint8(s.version)),
            hex"000200",
            s.version == 3 ? bytes4(0) : bytes4(0x81000000),
            bytes4(0),
            hex"939a7233f79c4ca9940a0db3957f0607",
            _filled("user", 20)
        );
    }

    function _body(Shape memory s) private pure returns (bytes memory body) {
        body = _filled("body", s.bodyBytes);
        for (uint256 k; s.reportData != 0 && k < 32; ++k) {
            body[(s.version == 3 ? 320 : 520) + k] = s.reportData[k];
        }
        if (s.version == 3) {
            body[48] = s.debug ? bytes1(0xff) : bytes1(0xfd);
            return body;
        }
        for (uint256 k; k < 16; ++k) {
            body[k] = s.teeTcbSvn[k];
        }
        for (uint256 k = 64; k < 120; ++k) {
            body[k] = k < 112 ? bytes1(0) : s.moduleAttributes[k - 112];
        }
        body[120] = s.debug ? bytes1(0x01) : bytes1(0);
        body[123] = s.septVe ? bytes1(0xef) : bytes1(0x10);
        if (s.version != 5) return body;
        return bytes.concat(s.bodyBytes == 584 ? bytes2(0x0200) : bytes2(0x0300), _little4(s.bodyBytes), body);
    }

    function _enclaveReport(Shape memory s, bytes memory key, bytes memory auth)
        private
        pure
        returns (bytes memory report)
    {
        bytes32 hash = s.otherHash != 0 ? s.otherHash : sha256(bytes.concat(key, auth));
        bytes16 attributes = s.debugEnclave ? ENCLAVE_ATTRIBUTES | bytes1(0x02) : ENCLAVE_ATTRIBUTES;
        report = bytes.concat(
            _filled("cpusvn", 16), ENCLAVE_MISC, new bytes(28), attributes, _filled("mrenclave", 64), ENCLAVE_SIGNER
        );
        report = bytes.concat(report, new bytes(96), hex"0200", bytes1(uint8(s.enclaveSvn)));
        report = bytes.concat(report, bytes1(uint8(s.enclaveSvn >> 8)), new bytes(60), hash, s.behindHash);
    }

    function _filled(string memory name, uint256 size) private pure returns (bytes memory data) {
        for (uint256 k; k < size; k += 32) {
            data = bytes.concat(data, keccak256(abi.encode(name, k / 32)));
        }
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(data, size)
        }
    }

    function _little4(uint256 value) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(value), uint8(value >> 8), uint8(value >> 16), uint8(value >> 24));
    }
}
