// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {X509} from "./X509.sol";

/// @title Answers of OCSP responders (RFC 6960) about one certificate, signed with ecdsa-with-SHA384, read from calldata
/// @notice Reads the BasicOCSPResponse, strictly: one answer, SHA-384 in its identifier, no critical
///         extensions, at most one certificate. It checks no signature.
library Ocsp {
    /// @notice The answer is not signed with ecdsa-with-SHA384.
    error OcspAlgorithm(uint256 at);
    /// @notice The responder's identifier is neither a name nor the 20 bytes that stand for a key.
    error OcspResponder(uint256 at);
    /// @notice The certificate is not named by SHA-384.
    error OcspHash(uint256 at);
    /// @notice The status is none, or the reason for a revocation is not one byte.
    error OcspStatus(uint256 at);

    /// @param tbsStart Offset of what is signed, header included; `tbsEnd` is behind it.
    /// @param responder keccak256 of the responder's name, DER; 0 if a key's hash names it instead.
    /// @param nameHash keccak256 of the issuer's name's SHA-384; likewise `keyHash` of the issuer's key.
    /// @param serial Of the certificate that is asked about.
    /// @param isRevoked Otherwise it is good or unknown.
    /// @param thisUpdate When the status was known to be so, seconds since 1970; the responder knows better from `nextUpdate` on.
    /// @param signature r and s, 48 bytes each.
    /// @param certificate Offset of the one certificate that comes along; the same as `certificateEnd` if none does.
    struct Response {
        uint256 tbsStart;
        uint256 tbsEnd;
        bytes32 responder;
        bytes32 nameHash;
        bytes32 keyHash;
        uint256 serial;
        bool isRevoked;
        uint64 producedAt;
        uint64 thisUpdate;
        uint64 nextUpdate;
        bytes signature;
        uint256 certificate;
        uint256 certificateEnd;
    }

    uint8 private constant BY_NAME = 0xa1;
    uint8 private constant BY_KEY = 0xa2;
    uint8 private constant GOOD = 0x80;
    uint8 private constant REVOKED = 0xa1;
    uint8 private constant UNKNOWN = 0x82;
    uint256 private constant SIGNATURE_NUMBER = 48;
    uint256 private constant KEY_ID = 20;
    uint256 private constant HASH = 48;
    /// @dev RFC 5280 allows 20 bytes.
    uint256 private constant SERIAL_BYTES = 20;
    /// @dev AlgorithmIdentifier of SHA-384, with and without the parameters NULL: both are in use.
    bytes32 private constant SHA384 = keccak256(hex"300d06096086480165030402020500");
    bytes32 private constant SHA384_BARE = keccak256(hex"300b0609608648016503040202");

    /// @notice Reads the one answer that `der` is, or reverts with an error of `Der`, `X509` or this library.
    function parse(bytes calldata der) internal pure returns (Response memory r) {
        (uint256 at, uint256 end) = Der.only(der, 0, der.length, Der.SEQUENCE);
        r.tbsStart = at;
        (, r.tbsEnd) = Der.read(der, at, end, Der.SEQUENCE);
        (bytes32 algorithm, uint256 stop) = X509.element(der, r.tbsEnd, end);
        if (algorithm != X509.ECDSA_SHA384) revert OcspAlgorithm(r.tbsEnd);
        at = stop;
        (, stop) = Der.read(der, at, end, Der.BIT_STRING);
        r.signature = X509.signatureAt(der, at, stop, SIGNATURE_NUMBER);
        if (stop != end) {
            (at, stop) = Der.only(der, stop, end, 0xa0);
            (r.certificate, r.certificateEnd) = Der.only(der, at, stop, Der.SEQUENCE);
            Der.only(der, r.certificate, r.certificateEnd, Der.SEQUENCE);
        }
        _data(der, r);
    }

    /// @dev Responder, time, one answer, extensions. A version is left out: there is one.
    function _data(bytes calldata der, Response memory r) private pure {
        (uint256 at, uint256 end) = Der.only(der, r.tbsStart, r.tbsEnd, Der.SEQUENCE);
        uint256 start;
        uint256 stop;
        if (Der.peek(der, at, end) == BY_NAME) {
            (start, stop) = Der.read(der, at, end, BY_NAME);
            uint256 inner;
            (r.responder, inner) = X509.element(der, start, stop);
            Der.finish(inner, stop);
        } else {
            (start, stop) = Der.read(der, at, end, BY_KEY);
            (uint256 first, uint256 last) = Der.only(der, start, stop, Der.OCTET_STRING);
            if (last - first != KEY_ID) revert OcspResponder(at);
        }
        (r.producedAt, at) = X509.generalizedTimeAt(der, stop, end);
        (start, stop) = Der.read(der, at, end, Der.SEQUENCE);
        // INVARIANT: one answer, so that nobody takes one certificate's status for another's.
        (at, start) = Der.only(der, start, stop, Der.SEQUENCE);
        _single(der, r, at, start);
        if (stop != end) {
            (at, end) = Der.only(der, stop, end, 0xa1);
            (at, end) = Der.only(der, at, end, Der.SEQUENCE);
            X509.refuseCritical(der, at, end);
        }
    }

    /// @dev Identifier, status, times, extensions.
    function _single(bytes calldata der, Response memory r, uint256 at, uint256 end) private pure {
        at = _certificate(der, r, at, end);
        at = _status(der, r, at, end);
        (r.thisUpdate, at) = X509.generalizedTimeAt(der, at, end);
        // INVARIANT: an answer says when it is stale.
        (uint256 start, uint256 stop) = Der.read(der, at, end, 0xa0);
        (r.nextUpdate, start) = X509.generalizedTimeAt(der, start, stop);
        Der.finish(start, stop);
        if (stop != end) {
            (at, end) = Der.only(der, stop, end, 0xa1);
            (at, end) = Der.only(der, at, end, Der.SEQUENCE);
            X509.refuseCritical(der, at, end);
        }
    }

    /// @dev Which certificate is asked about: hashes of its issuer's name and key, and its serial number.
    function _certificate(bytes calldata der, Response memory r, uint256 at, uint256 end)
        private
        pure
        returns (uint256 stop)
    {
        (at, stop) = Der.read(der, at, end, Der.SEQUENCE);
        uint256 next;
        bytes32 algorithm;
        (algorithm, next) = X509.element(der, at, stop);
        if (algorithm != SHA384 && algorithm != SHA384_BARE) revert OcspHash(at);
        (r.nameHash, next) = _hash(der, next, stop);
        (r.keyHash, next) = _hash(der, next, stop);
        (r.serial, next) = Der.uintAt(der, next, stop, SERIAL_BYTES);
        Der.finish(next, stop);
    }

    function _hash(bytes calldata der, uint256 at, uint256 end) private pure returns (bytes32 hash, uint256 stop) {
        uint256 start;
        (start, stop) = Der.read(der, at, end, Der.OCTET_STRING);
        if (stop - start != HASH) revert OcspHash(at);
        hash = keccak256(der[start:stop]);
    }

    /// @dev Good, revoked with a time and perhaps a reason, or unknown. Reasons make no difference: on hold is revoked.
    function _status(bytes calldata der, Response memory r, uint256 at, uint256 end)
        private
        pure
        returns (uint256 stop)
    {
        uint8 tag = Der.peek(der, at, end);
        uint256 start;
        if (tag != REVOKED) {
            if (tag != GOOD && tag != UNKNOWN) revert OcspStatus(at);
            (start, stop) = Der.read(der, at, end, tag);
            if (start != stop) revert OcspStatus(at);
            return stop;
        }
        r.isRevoked = true;
        (start, stop) = Der.read(der, at, end, REVOKED);
        (, start) = X509.generalizedTimeAt(der, start, stop);
        if (start == stop) return stop;
        uint256 last;
        (start, last) = Der.only(der, start, stop, 0xa0);
        (start, last) = Der.only(der, start, last, Der.ENUMERATED);
        if (last - start != 1) revert OcspStatus(at);
    }
}
