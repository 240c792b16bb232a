// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {H100} from "./H100.sol";
import {P384Verifier} from "./P384Verifier.sol";
import {X509} from "./X509.sol";

/// @title Certificates of NVIDIA GPUs, each verified once
/// @notice Anybody caches a certificate under its issuer's, from the pinned root down; a report then needs its own signature's check only.
/// @dev A certificate's id names what is signed and its issuer's id: signatures have twins, and one key can have two certificates, of which
///      one may be revoked. Validity is the whole path's, and counts when a leaf is used; so does revocation, of any certificate above it.
contract NvidiaCertificates is AccessManaged {
    /// @notice No such certificate is cached.
    error UnknownCertificate(bytes32 id);
    /// @notice The certificate is an authority's: it signs no reports.
    error NotALeaf(bytes32 id);
    /// @notice The certificate, or one above it, is revoked: this one.
    error CertificateRevoked(bytes32 id, bytes32 revoked);

    /// @notice A certificate is cached. The root has no parent.
    event CertificateCached(bytes32 indexed id, bytes32 indexed parent, bytes32 issuer, uint256 serial);
    /// @notice All certificates with this issuer (a name, or one certificate of it) and serial number are revoked, or so no more.
    event RevocationSet(bytes32 indexed issuer, uint256 indexed serial, bool revoked);

    /// @param issuer keccak256 of the issuer's name, DER; with the serial number it is what revocation names.
    /// @param key x and y, 48 bytes each.
    /// @param notBefore Validity of the whole path, seconds since 1970; likewise `notAfter`.
    /// @param room Authorities that may stand between this one and a leaf; 255 for no limit.
    /// @param subject keccak256 of an authority's name; `firmware` and `deviceId` are a leaf's (see `H100.Leaf`).
    struct Entry {
        bytes32 parent;
        bytes32 issuer;
        uint256 serial;
        bytes32[3] key;
        uint64 notBefore;
        uint64 notAfter;
        uint8 room;
        bool isLeaf;
        bytes32 subject;
        bytes32 firmware;
        bytes32 deviceId;
    }

    /// @notice keccak256 of the pinned certificate, DER: NVIDIA Device Identity CA.
    bytes32 public immutable ROOT;
    /// @notice Verifies signatures.
    P384Verifier public immutable SIGNATURES;

    /// @notice When a revocation was last taken back, seconds since 1970: what was said before does not count again.
    mapping(bytes32 issuer => mapping(uint256 serial => uint256)) public reinstatedAt;
    mapping(bytes32 id => Entry) private _entries;
    /// @dev By an issuer's name, or by the id of an issuer's certificate: hashes of different things.
    mapping(bytes32 issuer => mapping(uint256 serial => bool)) private _revoked;

    constructor(address authority, bytes32 root, P384Verifier signatures) AccessManaged(authority) {
        (ROOT, SIGNATURES) = (root, signatures);
    }

    /// @notice Caches the pinned certificate.
    function cacheRoot(bytes calldata der) external returns (bytes32 id) {
        bytes32 got = keccak256(der);
        // INVARIANT: one root, fixed at construction; nothing else needs no signature.
        if (got != ROOT) revert H100.H100Root(ROOT, got);
        X509.Certificate memory c = X509.parse(der);
        id = _idOf(der, c, 0);
        if (_isCached(id)) return id;
        _store(id, 0, c, c.notBefore, c.notAfter, c.pathLength);
    }

    /// @notice Verifies and caches a certificate under one that is cached.
    /// @param hints For its signature (see `P384`).
    function cache(bytes calldata der, bytes32 parent, bytes calldata hints) external returns (bytes32 id) {
        Entry storage above = _entry(parent);
        X509.Certificate memory c = X509.parse(der);
        id = _idOf(der, c, parent);
        if (_isCached(id)) return id;
        X509.Certificate memory issuer;
        issuer.subject = above.subject;
        issuer.key = _key(above);
        issuer.keyCurve = X509.Algorithm.P384_SHA384;
        issuer.isAuthority = !above.isLeaf;
        // Only authorities that may certify are cached.
        issuer.keyUsage = X509.USAGE_CERTIFY;
        issuer.pathLength = above.room;
        H100.checkIssued(c, issuer, c.isAuthority ? 1 : 0);
        SIGNATURES.verify(der[c.tbsStart:c.tbsEnd], c.signature, issuer.key, hints);
        (uint64 notBefore, uint64 notAfter) = (above.notBefore, above.notAfter);
        if (c.notBefore > notBefore) notBefore = c.notBefore;
        if (c.notAfter < notAfter) notAfter = c.notAfter;
        if (c.isAuthority) {
            uint256 room = above.room == X509.NO_LIMIT ? X509.NO_LIMIT : above.room - 1;
            _store(id, parent, c, notBefore, notAfter, c.pathLength < room ? c.pathLength : room);
        } else {
            _storeLeaf(id, parent, der, c, notBefore, notAfter);
        }
    }

    /// @notice Revokes all certificates with this issuer and serial number, cached or not. Revokers.
    /// @param issuer keccak256 of the issuer's name, DER, or the id of the issuer's certificate: then those below it only.
    function revoke(bytes32 issuer, uint256 serial) external restricted {
        _revoked[issuer][serial] = true;
        emit RevocationSet(issuer, serial, true);
    }

    /// @notice Takes a revocation back. Governance only, by the timelock.
    function reinstate(bytes32 issuer, uint256 serial) external restricted {
        _revoked[issuer][serial] = false;
        reinstatedAt[issuer][serial] = block.timestamp;
        emit RevocationSet(issuer, serial, false);
    }

    /// @notice The leaf, with its path's `notAfter`; reverts unless all of the path is valid now.
    function leafOf(bytes32 id) external view returns (H100.Leaf memory leaf) {
        Entry storage entry = _entry(id);
        if (!entry.isLeaf) revert NotALeaf(id);
        bytes32 revoked = _revokedAbove(id);
        if (revoked != 0) revert CertificateRevoked(id, revoked);
        if (block.timestamp < entry.notBefore || block.timestamp > entry.notAfter) {
            revert X509.X509Validity(entry.notBefore, entry.notAfter, block.timestamp);
        }
        leaf.key = _key(entry);
        (leaf.firmware, leaf.deviceId) = (entry.firmware, entry.deviceId);
        (leaf.issuer, leaf.serial, leaf.notAfter) = (entry.issuer, entry.serial, entry.notAfter);
    }

    /// @notice Whether the certificate, or one above it, is revoked.
    function isRevoked(bytes32 id) external view returns (bool) {
        _entry(id);
        return _revokedAbove(id) != 0;
    }

    /// @notice Whether a certificate with this serial number below that authority's is revoked, cached or not.
    function isRevokedUnder(bytes32 parent, uint256 serial) external view returns (bool) {
        return _isRevoked(_entry(parent).subject, parent, serial);
    }

    /// @notice What is cached of a certificate; all zero if nothing is.
    function entryOf(bytes32 id) external view returns (Entry memory) {
        return _entries[id];
    }

    /// @notice The id of a certificate under its issuer's.
    function idOf(bytes calldata der, bytes32 parent) external pure returns (bytes32) {
        return _idOf(der, X509.parse(der), parent);
    }

    function _idOf(bytes calldata der, X509.Certificate memory c, bytes32 parent) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(der[c.tbsStart:c.tbsEnd]), parent));
    }

    function _store(
        bytes32 id,
        bytes32 parent,
        X509.Certificate memory c,
        uint64 notBefore,
        uint64 notAfter,
        uint256 room
    ) private {
        // INVARIANT: what certificates are cached under signs certificates.
        if (!c.isAuthority || c.keyUsage & X509.USAGE_CERTIFY == 0) revert X509.X509Authority(c.pathLength, 0);
        _base(id, parent, c, notBefore, notAfter);
        _entries[id].room = uint8(room);
        _entries[id].subject = c.subject;
    }

    function _storeLeaf(
        bytes32 id,
        bytes32 parent,
        bytes calldata der,
        X509.Certificate memory c,
        uint64 notBefore,
        uint64 notAfter
    ) private {
        H100.Leaf memory leaf = H100.readLeaf(der, c);
        _base(id, parent, c, notBefore, notAfter);
        Entry storage entry = _entries[id];
        (entry.isLeaf, entry.firmware, entry.deviceId) = (true, leaf.firmware, leaf.deviceId);
    }

    function _base(bytes32 id, bytes32 parent, X509.Certificate memory c, uint64 notBefore, uint64 notAfter) private {
        // INVARIANT: keys have 96 bytes.
        if (c.keyCurve != X509.Algorithm.P384_SHA384) revert H100.H100Curve();
        Entry storage entry = _entries[id];
        (entry.parent, entry.issuer, entry.serial) = (parent, c.issuer, c.serial);
        (entry.notBefore, entry.notAfter) = (notBefore, notAfter);
        bytes memory key = c.key;
        for (uint256 k; k < 3; ++k) {
            bytes32 word;
            // SAFETY: word k of the 96 bytes.
            assembly ("memory-safe") {
                word := mload(add(key, mul(0x20, add(k, 1))))
            }
            entry.key[k] = word;
        }
        emit CertificateCached(id, parent, c.issuer, c.serial);
    }

    /// @dev The first revoked certificate from this one up; 0 if none is.
    function _revokedAbove(bytes32 id) private view returns (bytes32) {
        for (; id != 0; id = _entries[id].parent) {
            Entry storage entry = _entries[id];
            if (_isRevoked(entry.issuer, entry.parent, entry.serial)) return id;
        }
        return 0;
    }

    /// @dev Whether a certificate is revoked that an authority of this name has issued, whose own certificate is `parent`.
    function _isRevoked(bytes32 issuer, bytes32 parent, uint256 serial) private view returns (bool) {
        return _revoked[issuer][serial] || _revoked[parent][serial];
    }

    function _isCached(bytes32 id) private view returns (bool) {
        return _entries[id].notAfter != 0;
    }

    function _entry(bytes32 id) private view returns (Entry storage) {
        if (!_isCached(id)) revert UnknownCertificate(id);
        return _entries[id];
    }

    function _key(Entry storage entry) private view returns (bytes memory) {
        return abi.encodePacked(entry.key[0], entry.key[1], entry.key[2]);
    }
}
