// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IntelPck} from "./IntelPck.sol";
import {P256Ecdsa} from "./P256Ecdsa.sol";
import {X509} from "./X509.sol";
import {X509Crl} from "./X509Crl.sol";

/// @title Certificates of Intel's platforms, verified once, and the serial numbers that Intel revoked
/// @notice Root <- Platform CA, Processor CA <- PCK certificate of each platform; root <- signer of TCB info. Anyone adds certificates and
///         lists (CRL): all are Intel's, by signatures up to the root that this contract was made with, and nobody has any other
///         power. A certificate's name here is the keccak256 of what its issuer signed (its TBSCertificate).
/// @dev An authority's name is the keccak256 of its subject's hash and key, so that a renewed certificate goes on with its lists.
contract IntelCertificates {
    /// @notice No such authority or certificate was added.
    error CertificateMissing(bytes32 id);
    /// @notice The certificate, or one above it, was valid until this moment, seconds since 1970.
    error CertificateExpired(bytes32 id, uint256 notAfter);
    /// @notice The authority has revoked the certificate with this serial number.
    error CertificateRevoked(bytes32 authority, uint256 serial);
    /// @notice The authority's certificate does not hold longer than the one that is known.
    error CertificateNotNewer(bytes32 authority, uint256 known, uint256 got);
    /// @notice The certificate is an authority and should be none, or the other way round, or its subject is not the signer of TCB info.
    error CertificateRole(bytes32 subject);
    /// @notice The list of the authority was never added.
    error CrlMissing(bytes32 authority);
    /// @notice The authority's list is stale.
    error CrlExpired(bytes32 authority, uint256 nextUpdate);
    /// @notice The list is not newer than the one that is known.
    error CrlNotNewer(bytes32 authority, uint256 known, uint256 got);
    /// @notice The list is issued in the future.
    error CrlNotYetIssued(bytes32 authority, uint256 thisUpdate);
    /// @notice The list is another authority's.
    error CrlIssuer(bytes32 expected, bytes32 got);

    /// @notice An authority is known, or known for longer.
    event AuthorityAdded(bytes32 indexed authority, uint256 serial, uint256 notAfter);
    /// @notice A signer of TCB info is known.
    event SignerAdded(bytes32 indexed id, uint256 serial, uint256 notAfter);
    /// @notice A platform's certificate is known.
    event PckAdded(bytes32 indexed id, bytes32 indexed authority, bytes6 indexed fmspc, uint256 serial);
    /// @notice The authority's list is known.
    event CrlAdded(bytes32 indexed authority, uint256 thisUpdate, uint256 nextUpdate);
    /// @notice A certificate is revoked for good.
    event Revoked(bytes32 indexed authority, uint256 indexed serial);

    /// @param issuer Authority that signed it; 0 for the root.
    /// @param notAfter Of the certificate and of its issuer's, whichever ends first.
    struct Authority {
        bytes32 x;
        bytes32 y;
        bytes32 subject;
        bytes32 issuer;
        uint160 serial;
        uint40 notAfter;
        uint8 pathLength;
    }

    /// @notice A signer of TCB info, whose issuer is the root.
    struct Signer {
        bytes32 x;
        bytes32 y;
        uint160 serial;
        uint40 notAfter;
    }

    /// @notice What a PCK certificate says, as it is stored (see `IntelPck.Pck`).
    struct StoredPck {
        bytes32 x;
        bytes32 y;
        bytes32 ppidHash;
        bytes32 authority;
        uint160 serial;
        uint40 notAfter;
        uint16 pceSvn;
        bytes2 pceId;
        bytes16 components;
        bytes6 fmspc;
    }

    /// @notice When a list was issued, and until when it holds, seconds since 1970.
    struct Validity {
        uint40 thisUpdate;
        uint40 nextUpdate;
    }

    /// @notice What a valid PCK certificate says.
    /// @param deviceId keccak256 of the platform's stable identity (PPID).
    /// @param notAfter Last second at which the certificates and lists that were checked are valid.
    struct Platform {
        bytes key;
        bytes32 deviceId;
        bytes6 fmspc;
        bytes2 pceId;
        uint16 pceSvn;
        bytes16 components;
        uint64 notAfter;
    }

    /// @notice keccak256 of the root certificate, DER; also the root's name among the authorities.
    bytes32 public immutable ROOT;
    /// @notice keccak256 of the name that signers of TCB info have as subjects, DER.
    bytes32 public immutable SIGNER_SUBJECT;

    mapping(bytes32 authority => Authority) public authorityOf;
    mapping(bytes32 id => Signer) public signerOf;
    mapping(bytes32 id => StoredPck) public pckOf;
    /// @notice The newest list of each authority.
    mapping(bytes32 authority => Validity) public crlOf;
    /// @notice Whether a certificate was seen revoked. Once true, it stays true.
    mapping(bytes32 authority => mapping(uint256 serial => bool)) public isRevoked;

    /// @param root keccak256 of the root certificate, DER: in production that of Intel SGX Root CA.
    /// @param signerSubject keccak256 of a name, DER: in production CN "Intel SGX TCB Signing", O "Intel Corporation", L "Santa Clara",
    ///        ST "CA", C "US".
    constructor(bytes32 root, bytes32 signerSubject) {
        ROOT = root;
        SIGNER_SUBJECT = signerSubject;
    }

    /// @notice Adds the root.
    function addRoot(bytes calldata der) external {
        bytes32 got = keccak256(der);
        if (got != ROOT) revert IntelPck.PckRoot(ROOT, got);
        X509.Certificate memory c = X509.parse(der);
        X509.checkTime(c, block.timestamp);
        _addAuthority(ROOT, c, 0, type(uint64).max);
    }

    /// @notice Adds an authority that the root has signed, or its renewed certificate, which holds longer, or the other was revoked.
    function addAuthority(bytes calldata der) external returns (bytes32 authority) {
        X509.Certificate memory c = _verified(der, ROOT, 1);
        // INVARIANT: the root has one name here, by which it signs no platforms.
        if (c.subject == authorityOf[ROOT].subject) revert CertificateRole(c.subject);
        // INVARIANT: nobody puts a revoked certificate in the place of another one of the same key.
        if (isRevoked[ROOT][c.serial]) revert CertificateRevoked(ROOT, c.serial);
        authority = keccak256(bytes.concat(c.subject, c.key));
        _addAuthority(authority, c, ROOT, authorityOf[ROOT].notAfter);
    }

    /// @notice Adds a signer of TCB info, which the root has signed.
    function addSigner(bytes calldata der) external returns (bytes32 id) {
        X509.Certificate memory c = _verified(der, ROOT, 0);
        // INVARIANT: no other certificate of Intel's signs TCB info.
        if (c.isAuthority || c.keyUsage & X509.USAGE_SIGN == 0 || c.subject != SIGNER_SUBJECT) {
            revert CertificateRole(c.subject);
        }
        id = keccak256(der[c.tbsStart:c.tbsEnd]);
        (bytes32 x, bytes32 y) = _point(c);
        uint40 notAfter = uint40(_least(c.notAfter, authorityOf[ROOT].notAfter));
        signerOf[id] = Signer(x, y, uint160(c.serial), notAfter);
        emit SignerAdded(id, c.serial, notAfter);
    }

    /// @notice Adds a platform's PCK certificate, which the authority has signed.
    function addPck(bytes calldata der, bytes32 authority) external returns (bytes32 id) {
        // INVARIANT: Platform and Processor CA sign platforms' certificates; the root does not.
        if (authority == ROOT) revert CertificateRole(authorityOf[ROOT].subject);
        X509.Certificate memory c = _verified(der, authority, 0);
        IntelPck.Pck memory pck = IntelPck.readLeaf(der, c);
        id = keccak256(der[c.tbsStart:c.tbsEnd]);
        StoredPck storage stored = pckOf[id];
        (stored.x, stored.y) = _point(c);
        stored.ppidHash = pck.ppidHash;
        stored.authority = authority;
        stored.serial = uint160(pck.serial);
        stored.notAfter = _uint40(pck.notAfter);
        stored.pceSvn = pck.pceSvn;
        stored.pceId = pck.pceId;
        stored.components = pck.components;
        stored.fmspc = pck.fmspc;
        emit PckAdded(id, authority, pck.fmspc, pck.serial);
    }

    /// @notice Makes the list the authority's current one, and notes all that it revokes.
    /// @dev A serial number is noted once for 22,100 gas. Of a list with more new ones than fit one transaction, `revoke` takes a part first.
    function addCrl(bytes calldata der, bytes32 authority) external {
        (X509Crl.Crl memory crl, uint256 known) = _verifiedCrl(der, authority);
        // INVARIANT: nobody brings back an older list.
        if (crl.thisUpdate <= known) revert CrlNotNewer(authority, known, crl.thisUpdate);
        if (crl.nextUpdate < block.timestamp) revert CrlExpired(authority, crl.nextUpdate);
        uint256 at = crl.entriesStart;
        while (at < crl.entriesEnd) {
            at = _revoke(der, authority, at, crl.entriesEnd);
        }
        crlOf[authority] = Validity(_uint40(crl.thisUpdate), _uint40(crl.nextUpdate));
        emit CrlAdded(authority, crl.thisUpdate, crl.nextUpdate);
    }

    /// @notice Notes what `count` entries of a list revoke, from the one behind `skipped` others on. The list is no older than the current one,
    ///         and may be stale: revocation does not wait for fresh collateral.
    function revoke(bytes calldata der, bytes32 authority, uint256 skipped, uint256 count) external {
        (X509Crl.Crl memory crl, uint256 known) = _verifiedCrl(der, authority);
        if (crl.thisUpdate < known) revert CrlNotNewer(authority, known, crl.thisUpdate);
        uint256 at = X509Crl.entryAt(der, crl, skipped);
        for (uint256 k; k < count; ++k) {
            if (at == crl.entriesEnd) revert X509Crl.CrlEntries(skipped + count, skipped + k);
            at = _revoke(der, authority, at, crl.entriesEnd);
        }
    }

    /// @notice What a PCK certificate says; reverts unless it and its authority are valid and not revoked by lists that are current.
    function platform(bytes32 id) external view returns (Platform memory p) {
        p = platformEver(id);
        StoredPck storage stored = pckOf[id];
        bytes32 authority = stored.authority;
        uint256 notAfter = _live(id, authority, stored.serial, stored.notAfter);
        Authority storage a = authorityOf[authority];
        notAfter = _least(notAfter, _live(authority, a.issuer, a.serial, a.notAfter));
        p.notAfter = uint64(notAfter);
    }

    /// @notice What a PCK certificate says, valid or not; `notAfter` is its own.
    function platformEver(bytes32 id) public view returns (Platform memory p) {
        StoredPck storage stored = _pck(id);
        p.key = bytes.concat(stored.x, stored.y);
        p.deviceId = stored.ppidHash;
        (p.fmspc, p.pceId, p.pceSvn) = (stored.fmspc, stored.pceId, stored.pceSvn);
        p.components = stored.components;
        p.notAfter = stored.notAfter;
    }

    /// @notice Whether a PCK certificate or its authority's is revoked, by lists that may be stale by now: revocation is for good.
    function isPckRevoked(bytes32 id) external view returns (bool) {
        StoredPck storage stored = _pck(id);
        Authority storage a = authorityOf[stored.authority];
        return isRevoked[stored.authority][stored.serial] || isRevoked[a.issuer][a.serial];
    }

    /// @notice Until when a signer of TCB info is valid, seconds since 1970; reverts unless it is now and is not revoked by a list that is
    ///         current.
    function signerValidity(bytes32 id) public view returns (uint256 notAfter) {
        Signer storage signer = signerOf[id];
        if (signer.notAfter == 0) revert CertificateMissing(id);
        return _live(id, ROOT, signer.serial, signer.notAfter);
    }

    /// @notice Reverts if a signer of TCB info is revoked. What it signed while it was valid, it has signed for good.
    function checkSignerNotRevoked(bytes32 id) external view {
        Signer storage signer = signerOf[id];
        if (isRevoked[ROOT][signer.serial]) revert CertificateRevoked(ROOT, signer.serial);
    }

    /// @notice Reverts unless this valid signer of TCB info has signed.
    /// @param digest SHA-256 of the message.
    /// @param signature r and s, 32 bytes each.
    function checkSigned(bytes32 id, bytes32 digest, bytes calldata signature) external view {
        signerValidity(id);
        Signer storage signer = signerOf[id];
        P256Ecdsa.verify(digest, signature, bytes.concat(signer.x, signer.y));
    }

    /// @dev A certificate that the authority has signed and that is valid now.
    function _verified(bytes calldata der, bytes32 authority, uint256 below)
        private
        view
        returns (X509.Certificate memory)
    {
        Authority storage a = _known(authority);
        X509.Certificate memory issuer;
        issuer.subject = a.subject;
        issuer.isAuthority = true;
        issuer.keyUsage = X509.USAGE_CERTIFY;
        issuer.pathLength = a.pathLength;
        issuer.keyCurve = X509.Algorithm.P256_SHA256;
        issuer.key = bytes.concat(a.x, a.y);
        return IntelPck.verifyCertificate(der, issuer, below, block.timestamp);
    }

    /// @dev A list that the authority has signed, and when its current one was issued.
    function _verifiedCrl(bytes calldata der, bytes32 authority)
        private
        view
        returns (X509Crl.Crl memory crl, uint256 known)
    {
        Authority storage a = _known(authority);
        crl = X509Crl.parse(der);
        if (crl.issuer != a.subject) revert CrlIssuer(a.subject, crl.issuer);
        if (crl.thisUpdate > block.timestamp) revert CrlNotYetIssued(authority, crl.thisUpdate);
        P256Ecdsa.verify(sha256(der[crl.tbsStart:crl.tbsEnd]), crl.signature, bytes.concat(a.x, a.y));
        known = crlOf[authority].thisUpdate;
    }

    function _addAuthority(bytes32 authority, X509.Certificate memory c, bytes32 issuer, uint256 most) private {
        if (!c.isAuthority || c.keyUsage & X509.USAGE_CERTIFY == 0) revert CertificateRole(c.subject);
        Authority storage a = authorityOf[authority];
        uint40 notAfter = _uint40(_least(c.notAfter, most));
        // INVARIANT: an older certificate of the same authority does not come back, but in the place of a revoked one.
        if (notAfter <= a.notAfter && !isRevoked[a.issuer][a.serial]) {
            revert CertificateNotNewer(authority, a.notAfter, notAfter);
        }
        (a.x, a.y) = _point(c);
        (a.subject, a.issuer) = (c.subject, issuer);
        (a.serial, a.notAfter, a.pathLength) = (uint160(c.serial), notAfter, uint8(c.pathLength));
        emit AuthorityAdded(authority, c.serial, notAfter);
    }

    function _revoke(bytes calldata der, bytes32 authority, uint256 at, uint256 end) private returns (uint256 next) {
        uint256 serial;
        (serial, next) = X509Crl.entry(der, at, end);
        if (isRevoked[authority][serial]) return next;
        isRevoked[authority][serial] = true;
        emit Revoked(authority, serial);
    }

    function _pck(bytes32 id) private view returns (StoredPck storage stored) {
        stored = pckOf[id];
        if (stored.notAfter == 0) revert CertificateMissing(id);
    }

    function _known(bytes32 authority) private view returns (Authority storage a) {
        a = authorityOf[authority];
        if (a.notAfter == 0) revert CertificateMissing(authority);
        if (block.timestamp > a.notAfter) revert CertificateExpired(authority, a.notAfter);
    }

    /// @dev Until when the authority's certificate with this serial number is valid, if it is now.
    function _live(bytes32 id, bytes32 authority, uint256 serial, uint256 notAfter) private view returns (uint256) {
        if (block.timestamp > notAfter) revert CertificateExpired(id, notAfter);
        if (isRevoked[authority][serial]) revert CertificateRevoked(authority, serial);
        uint256 nextUpdate = crlOf[authority].nextUpdate;
        if (nextUpdate == 0) revert CrlMissing(authority);
        if (block.timestamp > nextUpdate) revert CrlExpired(authority, nextUpdate);
        return _least(notAfter, nextUpdate);
    }

    /// @dev The key to be stored.
    function _point(X509.Certificate memory c) private pure returns (bytes32 x, bytes32 y) {
        // INVARIANT: every stored key is a point of P-256: of a longer key of another curve no part is taken for one.
        if (c.keyCurve != X509.Algorithm.P256_SHA256) revert IntelPck.PckCurve();
        (x, y) = abi.decode(c.key, (bytes32, bytes32));
        P256Ecdsa.checkPoint(uint256(x), uint256(y));
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev Times beyond the type are its last moment.
    function _uint40(uint256 time) private pure returns (uint40) {
        return uint40(_least(time, type(uint40).max));
    }
}
