// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {H100} from "./H100.sol";
import {NvidiaCertificates} from "./NvidiaCertificates.sol";
import {Ocsp} from "./Ocsp.sol";
import {P384Verifier} from "./P384Verifier.sol";
import {Sha384} from "./Sha384.sol";
import {X509} from "./X509.sol";

/// @title Revocation of GPUs' certificates by NVIDIA's own answers (OCSP, RFC 6960), submitted by anybody
/// @notice A revoker of `NvidiaCertificates` that believes nobody but the issuer of a certificate, or whom that issuer has delegated to answer.
/// @dev What it revokes are certificates below that very issuer (its id, not its name): whoever has taken an issuer's key, or a GPU's, which
///      is the issuer of its firmware's certificates, can revoke nothing that others have issued.
contract NvidiaOcsp {
    /// @notice The issuer is a leaf: it issues nothing.
    error OcspIssuer(bytes32 issuer);
    /// @notice The issuer or the responder is revoked.
    error OcspRevoked(bytes32 issuer, uint256 serial);
    /// @notice The issuer's name is another.
    error OcspIssuerName(bytes32 expected, bytes32 got);
    /// @notice The answer is about a certificate of another issuer.
    error OcspCertificate(bytes32 expected, bytes32 got);
    /// @notice The certificate is not revoked, as far as the responder knows.
    error OcspNotRevoked(uint256 serial);
    /// @notice The answer is from the future, or is stale. Responders make new ones whenever they are asked.
    error OcspValidity(uint256 thisUpdate, uint256 nextUpdate, uint256 time);
    /// @notice An answer as new was submitted before, or governance has reinstated the certificate since: only a newer one revokes it again.
    error OcspNotNewer(uint256 known, uint256 thisUpdate);
    /// @notice The responder's certificate is an authority's, its key does not sign, or not answers; or the answer names another responder.
    error OcspNotAResponder(bytes32 subject);

    /// @notice The responder has the certificate as revoked.
    event OcspSubmitted(bytes32 indexed issuer, uint256 indexed serial, uint256 thisUpdate);

    /// @dev Contents of object identifiers: extended key usage, 2.5.29.37, and OCSP signing, 1.3.6.1.5.5.7.3.9.
    bytes private constant OID_PURPOSES = hex"551d25";
    bytes32 private constant OID_OCSP_SIGNING = keccak256(hex"2b06010505070309");

    /// @notice Where the certificates are; this contract is one of its revokers.
    NvidiaCertificates public immutable CERTIFICATES;
    /// @notice Verifies signatures.
    P384Verifier public immutable SIGNATURES;

    /// @notice When the newest answer that revoked a certificate was known to be so, seconds since 1970, by the id of its issuer's certificate.
    mapping(bytes32 issuer => mapping(uint256 serial => uint256)) public thisUpdateOf;

    constructor(NvidiaCertificates certificates) {
        (CERTIFICATES, SIGNATURES) = (certificates, certificates.SIGNATURES());
    }

    /// @notice Revokes the certificate that an answer says is revoked, if it is or will be cached below this issuer.
    /// @param response The BasicOCSPResponse, DER. The certificate that comes along is the responder's; without one, the issuer has answered.
    /// @param issuer Id of the issuer's certificate in `NvidiaCertificates`.
    /// @param issuerName The issuer's name, DER.
    /// @param hints For the answer's signature (see `P384`).
    /// @param responderHints For that of the responder's certificate; not read without one.
    function revoke(
        bytes calldata response,
        bytes32 issuer,
        bytes calldata issuerName,
        bytes calldata hints,
        bytes calldata responderHints
    ) external {
        NvidiaCertificates.Entry memory entry = CERTIFICATES.entryOf(issuer);
        if (entry.notAfter == 0) revert NvidiaCertificates.UnknownCertificate(issuer);
        if (entry.isLeaf) revert OcspIssuer(issuer);
        if (block.timestamp < entry.notBefore || block.timestamp > entry.notAfter) {
            revert X509.X509Validity(entry.notBefore, entry.notAfter, block.timestamp);
        }
        if (CERTIFICATES.isRevoked(issuer)) revert OcspRevoked(issuer, entry.serial);
        bytes memory key = bytes.concat(entry.key[0], entry.key[1], entry.key[2]);
        Ocsp.Response memory r = Ocsp.parse(response);
        _checkAnswer(r, issuer);
        _checkCertificate(r, entry.subject, issuerName, key);
        bytes32 responder = entry.subject;
        if (r.certificate != r.certificateEnd) {
            bytes calldata der = response[r.certificate:r.certificateEnd];
            (responder, key) = _responder(der, issuer, entry, key, responderHints);
        }
        if (r.responder != 0 && r.responder != responder) revert OcspNotAResponder(r.responder);
        SIGNATURES.verify(response[r.tbsStart:r.tbsEnd], r.signature, key, hints);
        thisUpdateOf[issuer][r.serial] = r.thisUpdate;
        CERTIFICATES.revoke(issuer, r.serial);
        emit OcspSubmitted(issuer, r.serial, r.thisUpdate);
    }

    /// @dev Status and times.
    function _checkAnswer(Ocsp.Response memory r, bytes32 issuer) private view {
        if (!r.isRevoked) revert OcspNotRevoked(r.serial);
        if (r.thisUpdate > block.timestamp || r.producedAt > block.timestamp || r.nextUpdate < block.timestamp) {
            revert OcspValidity(r.thisUpdate, r.nextUpdate, block.timestamp);
        }
        uint256 known = thisUpdateOf[issuer][r.serial];
        uint256 reinstated = CERTIFICATES.reinstatedAt(issuer, r.serial);
        if (reinstated > known) known = reinstated;
        if (r.thisUpdate <= known) revert OcspNotNewer(known, r.thisUpdate);
    }

    /// @dev That the answer is about a certificate of this issuer.
    function _checkCertificate(Ocsp.Response memory r, bytes32 subject, bytes calldata issuerName, bytes memory key)
        private
        pure
    {
        bytes32 got = keccak256(issuerName);
        if (got != subject) revert OcspIssuerName(subject, got);
        got = keccak256(Sha384.sha384(issuerName));
        if (got != r.nameHash) revert OcspCertificate(got, r.nameHash);
        // The contents of the key's bit string: an uncompressed point.
        got = keccak256(Sha384.sha384(bytes.concat(hex"04", key)));
        if (got != r.keyHash) revert OcspCertificate(got, r.keyHash);
    }

    /// @dev Subject and key of the responder's certificate, if the issuer has delegated answers to it.
    function _responder(
        bytes calldata der,
        bytes32 issuer,
        NvidiaCertificates.Entry memory entry,
        bytes memory key,
        bytes calldata hints
    ) private view returns (bytes32, bytes memory) {
        X509.Certificate memory c = X509.parseKnowing(der, keccak256(OID_PURPOSES));
        X509.Certificate memory above;
        above.subject = entry.subject;
        above.keyCurve = X509.Algorithm.P384_SHA384;
        above.isAuthority = true;
        above.keyUsage = X509.USAGE_CERTIFY;
        above.pathLength = entry.room;
        H100.checkIssued(c, above, 0);
        X509.checkTime(c, block.timestamp);
        if (c.keyCurve != X509.Algorithm.P384_SHA384) revert H100.H100Curve();
        // INVARIANT: no other certificate of the issuer answers for it: not a GPU's, say.
        if (c.isAuthority || c.keyUsage & X509.USAGE_SIGN == 0 || !_answers(der, c)) {
            revert OcspNotAResponder(c.subject);
        }
        if (CERTIFICATES.isRevokedUnder(issuer, c.serial)) revert OcspRevoked(issuer, c.serial);
        SIGNATURES.verify(der[c.tbsStart:c.tbsEnd], c.signature, key, hints);
        return (c.subject, c.key);
    }

    /// @dev Whether the certificate's purposes name OCSP signing.
    function _answers(bytes calldata der, X509.Certificate memory c) private pure returns (bool found) {
        (uint256 at, uint256 end) = X509.extension(der, c, OID_PURPOSES);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        while (at < end) {
            uint256 start;
            (start, at) = Der.read(der, at, end, Der.OID);
            if (keccak256(der[start:at]) == OID_OCSP_SIGNING) found = true;
        }
    }
}
