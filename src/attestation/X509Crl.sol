// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {X509} from "./X509.sol";

/// @title Lists of revoked certificates (CRL version 2, RFC 5280) of authorities with P-256 keys, read from calldata
/// @notice Complete lists only: delta, partial and indirect lists have critical extensions, which are refused. It checks no signature.
library X509Crl {
    /// @notice The version is not 2 (encoded as 1).
    error CrlVersion(uint256 got);
    /// @notice The list is not signed with ecdsa-with-SHA256, or says another thing inside than outside.
    error CrlAlgorithm(uint256 at);
    /// @notice The list has not so many entries.
    error CrlEntries(uint256 expected, uint256 got);

    /// @param tbsStart Offset of what is signed, header included; `tbsEnd` is behind it.
    /// @param issuer keccak256 of the issuer's name, DER.
    /// @param thisUpdate When it was issued, seconds since 1970; the issuer replaces it until `nextUpdate`.
    /// @param entriesStart Offset of the first entry; `entriesEnd` is behind the last.
    /// @param signature r and s, 32 bytes each.
    struct Crl {
        uint256 tbsStart;
        uint256 tbsEnd;
        bytes32 issuer;
        uint64 thisUpdate;
        uint64 nextUpdate;
        uint256 entriesStart;
        uint256 entriesEnd;
        bytes signature;
    }

    /// @dev Bytes of a serial number; RFC 5280 allows 20.
    uint256 private constant SERIAL_BYTES = 20;
    uint256 private constant SIGNATURE_NUMBER = 32;
    /// @dev Extensions of an entry that has only a reason, without the reason.
    bytes13 private constant REASON = 0x300c300a0603551d1504030a01;

    /// @notice Reads the one list that `der` is, its entries excepted, or reverts with an error of `Der`, `X509` or this library.
    function parse(bytes calldata der) internal pure returns (Crl memory crl) {
        (uint256 at, uint256 end) = Der.only(der, 0, der.length, Der.SEQUENCE);
        crl.tbsStart = at;
        (at, crl.tbsEnd) = Der.read(der, at, end, Der.SEQUENCE);
        (bytes32 algorithm, uint256 stop) = X509.element(der, crl.tbsEnd, end);
        if (algorithm != X509.ECDSA_SHA256) revert CrlAlgorithm(crl.tbsEnd);
        crl.signature = X509.signatureAt(der, stop, end, SIGNATURE_NUMBER);
        end = crl.tbsEnd;
        uint256 version;
        (version, at) = Der.uintAt(der, at, end, 1);
        if (version != 1) revert CrlVersion(version);
        uint256 inner = at;
        (algorithm, at) = X509.element(der, at, end);
        // INVARIANT: the algorithm that is signed is the one that is used.
        if (algorithm != X509.ECDSA_SHA256) revert CrlAlgorithm(inner);
        (crl.issuer, at) = X509.element(der, at, end);
        (crl.thisUpdate, at) = X509.timeAt(der, at, end);
        // INVARIANT: a list says when it is stale.
        (crl.nextUpdate, at) = X509.timeAt(der, at, end);
        if (Der.peek(der, at, end) == Der.SEQUENCE) {
            (crl.entriesStart, crl.entriesEnd) = Der.read(der, at, end, Der.SEQUENCE);
            at = crl.entriesEnd;
        }
        (at, end) = Der.only(der, at, end, 0xa0);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        X509.refuseCritical(der, at, end);
    }

    /// @notice The serial number of the entry at `at`; the next entry starts at `next`.
    function entry(bytes calldata der, uint256 at, uint256 end) internal pure returns (uint256 serial, uint256 next) {
        (at, next) = Der.read(der, at, end, Der.SEQUENCE);
        (serial, at) = Der.uintAt(der, at, next, SERIAL_BYTES);
        // When it was revoked: UTCTime until 2049, GeneralizedTime from 2050 on.
        (, at) = Der.read(der, at, next, Der.peek(der, at, next) == Der.UTC_TIME ? Der.UTC_TIME : Der.GENERALIZED_TIME);
        // What most entries have: only a reason, which is not critical.
        if (at == next || (at + 14 == next && bytes13(der[at:at + 13]) == REASON)) return (serial, next);
        uint256 start;
        (start, at) = Der.only(der, at, next, Der.SEQUENCE);
        // INVARIANT: an entry is for this authority's certificate (else it would have a critical extension).
        X509.refuseCritical(der, start, at);
    }

    /// @notice Where the entry behind `count` others starts.
    function entryAt(bytes calldata der, Crl memory crl, uint256 count) internal pure returns (uint256 at) {
        at = crl.entriesStart;
        for (uint256 k; k < count; ++k) {
            if (at == crl.entriesEnd) revert CrlEntries(count, k);
            (, at) = Der.read(der, at, crl.entriesEnd, Der.SEQUENCE);
        }
    }
}
