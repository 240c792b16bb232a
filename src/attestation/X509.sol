// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Calendar} from "./Calendar.sol";
import {Der} from "./Der.sol";

/// @title X.509 certificates with keys on P-256 or P-384 (RFC 5280), read from calldata
/// @notice Reads what a chain's check needs, strictly: version 3, one signature algorithm, known critical extensions only. It checks no
///         signature: see `P256` and `P384`.
library X509 {
    /// @notice The version is not 3 (encoded as 2).
    error X509Version(uint256 got);
    /// @notice Neither ecdsa-with-SHA256 nor ecdsa-with-SHA384, or inside another than outside.
    error X509Algorithm(uint256 at);
    /// @notice The key is no uncompressed point of P-256 or P-384.
    error X509Key(uint256 at);
    /// @notice The time is no UTC date from 1970 on with seconds, or not in the form that RFC 5280 demands.
    error X509Time(uint256 at);
    /// @notice An extension that nobody understands is critical, occurs twice, or there are more than 16.
    error X509Extension(uint256 at);
    /// @notice The certificate lacks an extension with this object identifier.
    error X509ExtensionMissing(bytes oid);
    /// @notice The issuer's name is another.
    error X509Issuer(bytes32 expected, bytes32 got);
    /// @notice The issuer may not sign certificates, or not with so many below it.
    error X509Authority(uint256 pathLength, uint256 below);
    /// @notice The time is outside the certificate's validity, seconds since 1970.
    error X509Validity(uint64 notBefore, uint64 notAfter, uint256 time);

    /// @notice How a certificate is signed, and with keys of which curve.
    enum Algorithm {
        P256_SHA256,
        P384_SHA384
    }

    /// @param tbsStart Offset of what is signed, header included; `tbsEnd` is behind it.
    /// @param serial Serial number.
    /// @param issuer keccak256 of the issuer's name, DER; likewise `subject`.
    /// @param notBefore First second of validity since 1970; `notAfter` is the last.
    /// @param algorithm Of the signature.
    /// @param keyCurve Algorithm that this certificate's own key signs with.
    /// @param key x and y, big-endian, 32 or 48 bytes each.
    /// @param signature r and s, big-endian, as long.
    /// @param isAuthority Basic constraints say that it signs certificates.
    /// @param pathLength Most authorities below this one; 255 for no limit.
    /// @param keyUsage Bit 0 of the extension is the highest of 16; 0 without the extension.
    /// @param extensionsStart Offset of the first extension; `extensionsEnd` is behind the last.
    struct Certificate {
        uint256 tbsStart;
        uint256 tbsEnd;
        uint256 serial;
        bytes32 issuer;
        bytes32 subject;
        uint64 notBefore;
        uint64 notAfter;
        Algorithm algorithm;
        Algorithm keyCurve;
        bytes key;
        bytes signature;
        bool isAuthority;
        uint256 pathLength;
        uint256 keyUsage;
        uint256 extensionsStart;
        uint256 extensionsEnd;
    }

    uint256 internal constant USAGE_SIGN = 0x8000;
    uint256 internal constant USAGE_CERTIFY = 0x0400;
    uint256 internal constant NO_LIMIT = 255;
    /// @dev RFC 5280 allows 20 bytes.
    uint256 private constant SERIAL_BYTES = 20;
    uint256 private constant MOST_EXTENSIONS = 16;
    /// @dev 2050-01-01, from which on RFC 5280 wants times in certificates as GeneralizedTime.
    uint256 private constant GENERALIZED = 2_524_608_000;

    /// @dev AlgorithmIdentifier of the signature algorithms, and of the keys, whole.
    bytes32 internal constant ECDSA_SHA256 = keccak256(hex"300a06082a8648ce3d040302");
    bytes32 internal constant ECDSA_SHA384 = keccak256(hex"300a06082a8648ce3d040303");
    bytes32 private constant KEY_P256 = keccak256(hex"301306072a8648ce3d020106082a8648ce3d030107");
    bytes32 private constant KEY_P384 = keccak256(hex"301006072a8648ce3d020106052b81040022");
    bytes32 private constant BASIC_CONSTRAINTS = keccak256(hex"551d13");
    bytes32 private constant KEY_USAGE = keccak256(hex"551d0f");

    /// @notice Reads the one certificate that `der` is, or reverts with an error of `Der` or of this library.
    function parse(bytes calldata der) internal pure returns (Certificate memory c) {
        return parseKnowing(der, 0);
    }

    /// @notice Like `parse`, and an extension with this object identifier (keccak256 of its contents) may be critical: the caller reads it.
    function parseKnowing(bytes calldata der, bytes32 known) internal pure returns (Certificate memory c) {
        (uint256 at, uint256 end) = Der.only(der, 0, der.length, Der.SEQUENCE);
        (uint256 tbs, uint256 tbsEnd) = Der.read(der, at, end, Der.SEQUENCE);
        c.tbsStart = at;
        c.tbsEnd = tbsEnd;
        bytes32 algorithm;
        uint256 stop;
        (algorithm, stop) = element(der, tbsEnd, end);
        if (algorithm == ECDSA_SHA384) c.algorithm = Algorithm.P384_SHA384;
        else if (algorithm != ECDSA_SHA256) revert X509Algorithm(tbsEnd);
        c.signature = signatureAt(der, stop, end, c.algorithm == Algorithm.P256_SHA256 ? 32 : 48);
        at = _head(der, c, algorithm, tbs, tbsEnd);
        at = _key(der, c, at, tbsEnd);
        if (Der.peek(der, at, tbsEnd) != 0xa3) return _withoutExtensions(c, at, tbsEnd);
        (at, end) = Der.only(der, at, tbsEnd, 0xa3);
        (c.extensionsStart, c.extensionsEnd) = Der.only(der, at, end, Der.SEQUENCE);
        _extensions(der, c, known);
    }

    /// @notice The contents of the value of the extension with this object identifier (its contents).
    function extension(bytes calldata der, Certificate memory c, bytes memory oid)
        internal
        pure
        returns (uint256 start, uint256 stop)
    {
        bytes32 wanted = keccak256(oid);
        uint256 at = c.extensionsStart;
        while (at < c.extensionsEnd) {
            bytes32 name;
            (name,, start, stop, at) = extensionAt(der, at, c.extensionsEnd);
            if (name == wanted) return (start, stop);
        }
        revert X509ExtensionMissing(oid);
    }

    /// @notice Reverts unless `issuer` is an authority that may have signed `c`.
    /// @param below Authorities behind the issuer on the way to the chain's leaf, `c` included.
    /// @dev Says nothing about the signature.
    function checkIssuer(Certificate memory c, Certificate memory issuer, uint256 below) internal pure {
        if (c.issuer != issuer.subject) revert X509Issuer(c.issuer, issuer.subject);
        // INVARIANT: only authorities sign certificates (else any leaf could issue others).
        if (!issuer.isAuthority || issuer.keyUsage & USAGE_CERTIFY == 0 || issuer.pathLength < below) {
            revert X509Authority(issuer.pathLength, below);
        }
    }

    /// @notice Reverts unless the certificate is valid at this time, seconds since 1970.
    function checkTime(Certificate memory c, uint256 time) internal pure {
        if (time < c.notBefore || time > c.notAfter) revert X509Validity(c.notBefore, c.notAfter, time);
    }

    /// @dev Version, serial number, algorithm, issuer, validity, subject.
    function _head(bytes calldata der, Certificate memory c, bytes32 algorithm, uint256 at, uint256 end)
        private
        pure
        returns (uint256 stop)
    {
        uint256 value;
        (value, stop) = Der.read(der, at, end, 0xa0);
        uint256 inner;
        (value, inner) = Der.uintAt(der, value, stop, 1);
        Der.finish(inner, stop);
        if (value != 2) revert X509Version(value);
        (c.serial, stop) = Der.uintAt(der, stop, end, SERIAL_BYTES);
        at = stop;
        bytes32 hash;
        (hash, stop) = element(der, at, end);
        // INVARIANT: the algorithm that is signed is the one that is used.
        if (hash != algorithm) revert X509Algorithm(at);
        (c.issuer, stop) = element(der, stop, end);
        (value, stop) = Der.read(der, stop, end, Der.SEQUENCE);
        (c.notBefore, value) = timeAt(der, value, stop);
        (c.notAfter, value) = timeAt(der, value, stop);
        Der.finish(value, stop);
        (c.subject, stop) = element(der, stop, end);
    }

    /// @dev The subject's key.
    function _key(bytes calldata der, Certificate memory c, uint256 at, uint256 end)
        private
        pure
        returns (uint256 stop)
    {
        uint256 inner;
        (inner, stop) = Der.read(der, at, end, Der.SEQUENCE);
        bytes32 curve;
        (curve, inner) = element(der, inner, stop);
        uint256 size = 64;
        if (curve == KEY_P384) {
            c.keyCurve = Algorithm.P384_SHA384;
            size = 96;
        } else if (curve != KEY_P256) {
            revert X509Key(at);
        }
        (uint256 start, uint256 last, uint8 unused) = Der.bits(der, inner, stop);
        Der.finish(last, stop);
        if (unused != 0 || last - start != size + 1 || uint8(der[start]) != 0x04) revert X509Key(at);
        c.key = der[start + 1:last];
    }

    /// @dev Nothing is left of the certificate; unique identifiers, which RFC 5280 forbids, would be.
    function _withoutExtensions(Certificate memory c, uint256 at, uint256 end)
        private
        pure
        returns (Certificate memory)
    {
        Der.finish(at, end);
        c.pathLength = NO_LIMIT;
        return c;
    }

    /// @dev Basic constraints and key usage; each extension once, and no other critical.
    function _extensions(bytes calldata der, Certificate memory c, bytes32 known) private pure {
        bytes32[] memory seen = new bytes32[](MOST_EXTENSIONS);
        uint256 count;
        c.pathLength = NO_LIMIT;
        uint256 at = c.extensionsStart;
        while (at < c.extensionsEnd) {
            (bytes32 name, bool critical, uint256 start, uint256 stop, uint256 next) =
                extensionAt(der, at, c.extensionsEnd);
            if (count == MOST_EXTENSIONS) revert X509Extension(at);
            for (uint256 k; k < count; ++k) {
                if (seen[k] == name) revert X509Extension(at);
            }
            seen[count++] = name;
            if (name == BASIC_CONSTRAINTS) _basicConstraints(der, c, start, stop);
            else if (name == KEY_USAGE) _keyUsage(der, c, start, stop);
            else if (critical && name != known) revert X509Extension(at);
            at = next;
        }
    }

    function _basicConstraints(bytes calldata der, Certificate memory c, uint256 at, uint256 end) private pure {
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        (c.isAuthority, at) = Der.flag(der, at, end);
        if (at != end) (c.pathLength, at) = Der.uintAt(der, at, end, 1);
        Der.finish(at, end);
    }

    function _keyUsage(bytes calldata der, Certificate memory c, uint256 at, uint256 end) private pure {
        (uint256 start, uint256 stop,) = Der.bits(der, at, end);
        Der.finish(stop, end);
        if (start == stop || stop - start > 2) revert Der.DerBits(at);
        c.keyUsage = uint256(uint8(der[start])) << 8;
        if (stop - start == 2) c.keyUsage |= uint8(der[start + 1]);
    }

    /// @notice One extension: the hash of its identifier, whether it is critical, its value's range, and where the next one starts.
    function extensionAt(bytes calldata der, uint256 at, uint256 end)
        internal
        pure
        returns (bytes32 name, bool critical, uint256 start, uint256 stop, uint256 next)
    {
        (at, next) = Der.read(der, at, end, Der.SEQUENCE);
        (start, stop) = Der.read(der, at, next, Der.OID);
        name = keccak256(der[start:stop]);
        (critical, at) = Der.flag(der, stop, next);
        (start, stop) = Der.only(der, at, next, Der.OCTET_STRING);
    }

    /// @notice r and s of the signature that fills the range, padded to `width` bytes each.
    function signatureAt(bytes calldata der, uint256 at, uint256 end, uint256 width)
        internal
        pure
        returns (bytes memory)
    {
        (uint256 start, uint256 stop, uint8 unused) = Der.bits(der, at, end);
        Der.finish(stop, end);
        if (unused != 0) revert Der.DerBits(at);
        (start, stop) = Der.only(der, start, stop, Der.SEQUENCE);
        bytes memory r;
        bytes memory s;
        (r, start) = _padded(der, start, stop, width);
        (s, start) = _padded(der, start, stop, width);
        Der.finish(start, stop);
        return bytes.concat(r, s);
    }

    /// @dev The positive integer at `at` in `width` bytes.
    function _padded(bytes calldata der, uint256 at, uint256 end, uint256 width)
        private
        pure
        returns (bytes memory number, uint256 stop)
    {
        uint256 start;
        (start, stop) = Der.magnitude(der, at, end, width);
        number = bytes.concat(new bytes(width - (stop - start)), der[start:stop]);
    }

    /// @notice The hash of the sequence at `at`, header included: names and algorithms are compared by it.
    function element(bytes calldata der, uint256 at, uint256 end) internal pure returns (bytes32 hash, uint256 stop) {
        (, stop) = Der.read(der, at, end, Der.SEQUENCE);
        hash = keccak256(der[at:stop]);
    }

    /// @notice Seconds since 1970 of the time at `at`: UTCTime until 2049, GeneralizedTime from 2050 on.
    function timeAt(bytes calldata der, uint256 at, uint256 end) internal pure returns (uint64 time, uint256 stop) {
        if (Der.peek(der, at, end) != Der.UTC_TIME) {
            (time, stop) = generalizedTimeAt(der, at, end);
            if (time < GENERALIZED) revert X509Time(at);
            return (time, stop);
        }
        uint256 start;
        (start, stop) = Der.read(der, at, end, Der.UTC_TIME);
        if (stop - start != 13) revert X509Time(at);
        uint256 year = Calendar.two(der, start);
        time = _moment(der, year + (year < 50 ? 2000 : 1900), start + 2, at);
    }

    /// @notice Seconds since 1970 of the GeneralizedTime at `at`, from whichever year.
    function generalizedTimeAt(bytes calldata der, uint256 at, uint256 end)
        internal
        pure
        returns (uint64 time, uint256 stop)
    {
        uint256 start;
        (start, stop) = Der.read(der, at, end, Der.GENERALIZED_TIME);
        if (stop - start != 15) revert X509Time(at);
        time = _moment(der, 100 * Calendar.two(der, start) + Calendar.two(der, start + 2), start + 4, at);
    }

    /// @notice Reverts if one of the extensions in the range is critical.
    function refuseCritical(bytes calldata der, uint256 at, uint256 end) internal pure {
        while (at < end) {
            uint256 start = at;
            bool critical;
            (, critical,,, at) = extensionAt(der, at, end);
            if (critical) revert X509Extension(start);
        }
    }

    /// @dev The moment in this year whose month to second are the ten digits at `start`; the whole value is at `at`.
    function _moment(bytes calldata der, uint256 year, uint256 start, uint256 at) private pure returns (uint64 time) {
        uint64 second;
        bool valid;
        (valid, time) = Calendar.day(year, Calendar.two(der, start), Calendar.two(der, start + 2));
        if (!valid || der[start + 10] != "Z") revert X509Time(at);
        start += 4;
        (valid, second) =
            Calendar.second(Calendar.two(der, start), Calendar.two(der, start + 2), Calendar.two(der, start + 4));
        if (!valid) revert X509Time(at);
        time += second;
    }
}
