// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fields} from "./Fields.sol";
import {P256Ecdsa} from "./P256Ecdsa.sol";

/// @title Quotes of Intel TDX (versions 4 and 5) and SGX (version 3)
/// @notice Parses a quote and verifies what it signs, down to the key of a PCK certificate (see `IntelPck`). The certificates inside the
///         quote are not read: whoever keeps a verified PCK key needs none.
/// @dev Integers are little-endian, numbers of signatures big-endian. Total: ends in a quote or in a typed error. Bytes behind the
///      signature data are ignored, as Intel's own are padding: identify evidence by the body.
library IntelQuote {
    /// @notice The quote's version is not 3, 4 or 5.
    error QuoteVersion(uint256 got);
    /// @notice The enclave, the virtual machine, or the quoting enclave can be debugged: its memory is no secret.
    error QuoteDebug(uint256 at);
    /// @notice The host may make the virtual machine fault where it chooses: SEPT_VE_DISABLE is off.
    error QuoteSeptVe(uint256 at);
    /// @notice The quoting enclave vouches for another key than the one that signed.
    error QuoteAttestationKey(bytes32 expected, bytes32 got);

    /// @param version 3 (SGX), 4 or 5 (TDX).
    /// @param body Offset of the report body; `bodyEnd` is behind it, and behind all that the quote's signature covers.
    /// @param signature Offset of the quote's signature; the attestation key follows it.
    /// @param enclaveReport Offset of the quoting enclave's report; its signature by the PCK key follows it.
    /// @param auth Offset of the quoting enclave's own data; `authEnd` is behind it.
    struct Quote {
        uint256 version;
        uint256 body;
        uint256 bodyEnd;
        uint256 signature;
        uint256 enclaveReport;
        uint256 auth;
        uint256 authEnd;
    }

    /// @notice Who signed the quote: what Intel's identity of the quoting enclave is compared with.
    struct Enclave {
        bytes32 signer;
        uint256 product;
        uint256 securityVersion;
        bytes4 miscSelect;
        bytes16 attributes;
    }

    uint256 internal constant SGX = 3;
    /// @dev Bytes of the header, and of report bodies: SGX, TDX 1.0, TDX 1.5.
    uint256 private constant HEADER = 48;
    uint256 private constant SGX_BODY = 384;
    uint256 private constant TDX_BODY = 584;
    uint256 private constant TDX15_BODY = 648;
    uint256 private constant SIGNATURE = 64;
    uint256 private constant KEY = 64;
    /// @dev ECDSA over P-256, the kind of machine, Intel's quoting enclave, kinds of certification data.
    uint256 private constant ECDSA_P256 = 2;
    uint256 private constant TEE_SGX = 0;
    uint256 private constant TEE_TDX = 0x81;
    bytes16 private constant INTEL = 0x939a7233f79c4ca9940a0db3957f0607;
    uint256 private constant CERTIFIED_REPORT = 6;
    uint256 private constant PCK_CHAIN = 5;
    /// @dev Offsets within a body of TDX: signer and attributes of the TDX module, attributes of the TD, where what runs inside begins and
    ///      ends (TDATTRIBUTES, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to 3), report data; of TDX 1.5: MRSERVICETD.
    uint256 private constant MODULE_SIGNER = 64;
    uint256 private constant MODULE_ATTRIBUTES = 112;
    uint256 private constant TDX_ATTRIBUTES = 120;
    uint256 private constant TDX_REPORT_DATA = 520;
    uint256 private constant MRSERVICETD = 600;
    uint256 private constant MEASUREMENT = 48;
    /// @dev Offsets within a report of SGX. From MISCSELECT to the report data it says what runs inside; before it is CPUSVN.
    uint256 internal constant MISCSELECT = 16;
    uint256 internal constant SGX_ATTRIBUTES = 48;
    uint256 internal constant MRSIGNER = 128;
    uint256 internal constant PRODUCT = 256;
    uint256 private constant SECURITY_VERSION = 258;
    uint256 private constant SGX_REPORT_DATA = 320;

    /// @notice Reads the quote that `data` starts with.
    function parse(bytes calldata data) internal pure returns (Quote memory q) {
        Fields.need(HEADER, data.length);
        q.version = Fields.little(data, 0, 2);
        Fields.equal(2, ECDSA_P256, Fields.little(data, 2, 2));
        Fields.equal(12, uint128(INTEL), uint128(bytes16(data[12:28])));
        q.body = HEADER;
        if (q.version == SGX) {
            Fields.equal(4, TEE_SGX, Fields.little(data, 4, 4));
            q.bodyEnd = HEADER + SGX_BODY;
        } else if (q.version == 4) {
            Fields.equal(4, TEE_TDX, Fields.little(data, 4, 4));
            q.bodyEnd = HEADER + TDX_BODY;
        } else if (q.version == 5) {
            Fields.equal(4, TEE_TDX, Fields.little(data, 4, 4));
            _body5(data, q);
        } else {
            revert QuoteVersion(q.version);
        }
        _signatureData(data, q);
    }

    /// @notice Verifies the quote against the key of a PCK certificate: the quote's signature, that the quoting enclave vouches for its key,
    ///         that enclave's signature, and that nothing can be debugged. Reverts with a typed error otherwise.
    /// @param pckKey x and y, 64 bytes.
    function verify(bytes calldata data, Quote memory q, bytes memory pckKey) internal view {
        uint256 attributes = q.body + (q.version == SGX ? SGX_ATTRIBUTES : TDX_ATTRIBUTES);
        // INVARIANT: the debug bit is bit 1 of an enclave's attributes; of a virtual machine's, the whole first byte is for such.
        if (uint8(data[attributes]) & (q.version == SGX ? 2 : 0xff) != 0) revert QuoteDebug(attributes);
        // INVARIANT: bit 28 of a virtual machine's attributes.
        if (q.version != SGX && uint8(data[attributes + 3]) & 0x10 == 0) revert QuoteSeptVe(attributes + 3);
        uint256 report = q.enclaveReport;
        if (uint8(data[report + SGX_ATTRIBUTES]) & 2 != 0) revert QuoteDebug(report + SGX_ATTRIBUTES);
        uint256 key = q.signature + SIGNATURE;
        // INVARIANT: the enclave's report data is the hash of key and auth data, and 32 bytes of 0.
        bytes32 expected = bytes32(data[report + SGX_REPORT_DATA:report + SGX_REPORT_DATA + 32]);
        bytes32 got = sha256(bytes.concat(data[key:key + KEY], data[q.auth:q.authEnd]));
        if (expected != got) revert QuoteAttestationKey(expected, got);
        Fields.equal(
            report + SGX_REPORT_DATA + 32, 0, uint256(bytes32(data[report + SGX_REPORT_DATA + 32:report + SGX_BODY]))
        );
        P256Ecdsa.verify(sha256(data[:q.bodyEnd]), data[q.signature:key], data[key:key + KEY]);
        uint256 end = report + SGX_BODY;
        P256Ecdsa.verify(sha256(data[report:end]), data[end:end + SIGNATURE], pckKey);
    }

    /// @notice The report data: 64 bytes that the guest chose.
    function reportData(bytes calldata data, Quote memory q) internal pure returns (bytes32 first, bytes32 second) {
        uint256 at = q.body + (q.version == SGX ? SGX_REPORT_DATA : TDX_REPORT_DATA);
        return (bytes32(data[at:at + 32]), bytes32(data[at + 32:at + 64]));
    }

    /// @notice keccak256 of what runs inside. Of TDX: TDATTRIBUTES, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to 3, as they lie
    ///         in the body (400 bytes), and MRSERVICETD (48 bytes, 0 with TDX 1.0): a migration TD could carry secrets away. Of SGX:
    ///         MISCSELECT to ISVFAMILYID, as they lie in the report (304 bytes), so MRENCLAVE, MRSIGNER, attributes and configuration.
    function measurement(bytes calldata data, Quote memory q) internal pure returns (bytes32) {
        if (q.version == SGX) return keccak256(data[q.body + MISCSELECT:q.body + SGX_REPORT_DATA]);
        bytes memory service = new bytes(MEASUREMENT);
        uint256 at = q.body + MRSERVICETD;
        if (q.bodyEnd > at) service = data[at:at + MEASUREMENT];
        return keccak256(bytes.concat(data[q.body + TDX_ATTRIBUTES:q.body + TDX_REPORT_DATA], service));
    }

    /// @notice The quoting enclave.
    function quotingEnclave(bytes calldata data, Quote memory q) internal pure returns (Enclave memory enclave) {
        uint256 at = q.enclaveReport;
        enclave.signer = bytes32(data[at + MRSIGNER:at + MRSIGNER + 32]);
        enclave.product = Fields.little(data, at + PRODUCT, 2);
        enclave.securityVersion = Fields.little(data, at + SECURITY_VERSION, 2);
        enclave.miscSelect = bytes4(data[at + MISCSELECT:at + MISCSELECT + 4]);
        enclave.attributes = bytes16(data[at + SGX_ATTRIBUTES:at + SGX_ATTRIBUTES + 16]);
    }

    /// @notice TEE_TCB_SVN, MRSIGNERSEAM (48 bytes) and SEAMATTRIBUTES of a TDX quote: the TDX module's.
    function tdxModule(bytes calldata data, Quote memory q)
        internal
        pure
        returns (bytes16 teeTcbSvn, bytes memory signer, bytes8 attributes)
    {
        uint256 at = q.body;
        teeTcbSvn = bytes16(data[at:at + 16]);
        signer = data[at + MODULE_SIGNER:at + MODULE_SIGNER + MEASUREMENT];
        attributes = bytes8(data[at + MODULE_ATTRIBUTES:at + MODULE_ATTRIBUTES + 8]);
    }

    /// @dev Version 5 names the body's type and size: TDX 1.0 or 1.5.
    function _body5(bytes calldata data, Quote memory q) private pure {
        Fields.need(HEADER + 6, data.length);
        uint256 kind = Fields.little(data, HEADER, 2);
        if (kind != 2) Fields.equal(HEADER, 3, kind);
        uint256 size = kind == 2 ? TDX_BODY : TDX15_BODY;
        Fields.equal(HEADER + 2, size, Fields.little(data, HEADER + 2, 4));
        q.body = HEADER + 6;
        q.bodyEnd = q.body + size;
    }

    /// @dev Signature, key, the quoting enclave's report with its signature and data, and certification data.
    function _signatureData(bytes calldata data, Quote memory q) private pure {
        Fields.need(q.bodyEnd + 4, data.length);
        uint256 end = q.bodyEnd + 4 + Fields.little(data, q.bodyEnd, 4);
        Fields.need(end, data.length);
        q.signature = q.bodyEnd + 4;
        uint256 at = q.signature + SIGNATURE + KEY;
        if (q.version != SGX) {
            // From version 4 on, all that follows is one piece of certification data.
            Fields.need(at + 6, end);
            Fields.equal(at, CERTIFIED_REPORT, Fields.little(data, at, 2));
            Fields.equal(at + 2, end - at - 6, Fields.little(data, at + 2, 4));
            at += 6;
        }
        q.enclaveReport = at;
        at += SGX_BODY + SIGNATURE;
        Fields.need(at + 2, end);
        q.auth = at + 2;
        q.authEnd = q.auth + Fields.little(data, at, 2);
        Fields.need(q.authEnd + 6, end);
        Fields.equal(q.authEnd, PCK_CHAIN, Fields.little(data, q.authEnd, 2));
        Fields.equal(q.authEnd + 2, end - q.authEnd - 6, Fields.little(data, q.authEnd + 2, 4));
    }
}
