// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {P256Ecdsa} from "./P256Ecdsa.sol";
import {X509} from "./X509.sol";

/// @title Intel's provisioning certificates: PCK, Platform or Processor CA, Root CA
/// @notice Verifies a chain to a pinned root and reads what the PCK certificate says of the platform.
/// @dev Says nothing about revocation or the platform's TCB level: those are Intel's CRLs and TCB info.
library IntelPck {
    /// @notice A chain ends in another certificate than the pinned one.
    error PckRoot(bytes32 expected, bytes32 got);
    /// @notice A chain has at least two certificates.
    error PckChain(uint256 certificates);
    /// @notice A certificate or its issuer's key is not of P-256.
    error PckCurve();
    /// @notice The PCK certificate is an authority, or its key does not sign.
    error PckLeaf(uint256 keyUsage);
    /// @notice Intel's extension lacks one of its parts, or one has not its size.
    error PckExtension(uint256 at);

    /// @param key The key that signs quoting enclaves' reports, 64 bytes.
    /// @param fmspc Family, model, stepping and custom SKU: names the TCB info.
    /// @param components Security versions of the platform's 16 parts, the first in the highest byte: what TCB info compares.
    /// @param pceSvn Security version of the enclave that certified the key.
    /// @param ppidHash keccak256 of the platform's stable identity.
    struct Pck {
        bytes key;
        bytes6 fmspc;
        bytes2 pceId;
        bytes16 components;
        uint16 pceSvn;
        bytes32 ppidHash;
        bytes32 issuer;
        uint256 serial;
        uint64 notAfter;
    }

    /// @dev Contents of 1.2.840.113741.1.13.1, of which the parts' identifiers are extensions.
    bytes private constant OID_SGX = hex"2a864886f84d010d01";
    /// @dev Contents of 1.2.840.113741.1.13.1.2, of which the TCB's parts are extensions, and a byte for the part.
    uint88 private constant OID_TCB = 0x2a864886f84d010d010200;
    uint8 private constant PPID = 1;
    uint8 private constant TCB = 2;
    uint8 private constant PCE_ID = 3;
    uint8 private constant FMSPC = 4;
    /// @dev Within the TCB: parts 1 to 16, and then PCESVN.
    uint8 private constant PCE_SVN = 17;

    /// @notice Verifies a chain, PCK first, root last; reverts with a typed error otherwise.
    /// @param root keccak256 of the pinned root certificate.
    /// @param time Seconds since 1970 at which all certificates have to be valid.
    function verifyChain(bytes[] calldata chain, bytes32 root, uint256 time) internal view returns (Pck memory pck) {
        if (chain.length < 2) revert PckChain(chain.length);
        uint256 last = chain.length - 1;
        bytes32 got = keccak256(chain[last]);
        if (got != root) revert PckRoot(root, got);
        X509.Certificate memory c = X509.parse(chain[last]);
        X509.checkTime(c, time);
        for (uint256 k = last; k > 0; --k) {
            c = verifyCertificate(chain[k - 1], c, k - 1, time);
        }
        return readLeaf(chain[0], c);
    }

    /// @notice Verifies one certificate against its issuer's, which the caller has verified.
    /// @param below Authorities behind the issuer on the way to the leaf, this certificate included.
    function verifyCertificate(bytes calldata der, X509.Certificate memory issuer, uint256 below, uint256 time)
        internal
        view
        returns (X509.Certificate memory c)
    {
        c = X509.parse(der);
        if (c.algorithm != X509.Algorithm.P256_SHA256 || issuer.keyCurve != X509.Algorithm.P256_SHA256) {
            revert PckCurve();
        }
        X509.checkIssuer(c, issuer, below);
        X509.checkTime(c, time);
        P256Ecdsa.verify(sha256(der[c.tbsStart:c.tbsEnd]), c.signature, issuer.key);
    }

    /// @notice What a PCK certificate says; the caller has verified it.
    function readLeaf(bytes calldata der, X509.Certificate memory c) internal pure returns (Pck memory pck) {
        if (c.isAuthority || c.keyUsage & X509.USAGE_SIGN == 0) revert PckLeaf(c.keyUsage);
        if (c.keyCurve != X509.Algorithm.P256_SHA256) revert PckCurve();
        pck.key = c.key;
        pck.issuer = c.issuer;
        pck.serial = c.serial;
        pck.notAfter = c.notAfter;
        (uint256 at, uint256 end) = X509.extension(der, c, OID_SGX);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        (uint256 start, uint256 stop) = _octets(der, at, end, PPID, 16);
        pck.ppidHash = keccak256(der[start:stop]);
        (start,) = _octets(der, at, end, PCE_ID, 2);
        pck.pceId = bytes2(der[start:start + 2]);
        (start,) = _octets(der, at, end, FMSPC, 6);
        pck.fmspc = bytes6(der[start:start + 6]);
        (start, stop) = _part(der, at, end, TCB);
        (start, stop) = Der.only(der, start, stop, Der.SEQUENCE);
        _tcb(der, pck, start, stop);
    }

    /// @dev The first 17 of the TCB's 18 parts, in their order: CPUSVN, the last, says the same as the first 16 in Intel's own encoding.
    function _tcb(bytes calldata der, Pck memory pck, uint256 at, uint256 end) private pure {
        uint256 components;
        for (uint8 part = 1; part <= PCE_SVN; ++part) {
            uint256 next;
            uint256 start;
            (start, next) = Der.read(der, at, end, Der.SEQUENCE);
            uint256 stop;
            (start, stop) = Der.read(der, start, next, Der.OID);
            if (stop - start != 11 || uint88(bytes11(der[start:stop])) != OID_TCB | part) revert PckExtension(at);
            uint256 svn;
            (svn, stop) = Der.uintAt(der, stop, next, part == PCE_SVN ? 2 : 1);
            Der.finish(stop, next);
            if (part == PCE_SVN) pck.pceSvn = uint16(svn);
            else components = components << 8 | svn;
            at = next;
        }
        pck.components = bytes16(uint128(components));
    }

    /// @dev The octet string that is part `number`, of this size.
    function _octets(bytes calldata der, uint256 at, uint256 end, uint8 number, uint256 size)
        private
        pure
        returns (uint256 start, uint256 stop)
    {
        (start, stop) = _part(der, at, end, number);
        (start, stop) = Der.only(der, start, stop, Der.OCTET_STRING);
        if (stop - start != size) revert PckExtension(start);
    }

    /// @dev The value of the part whose identifier is Intel's and this number.
    function _part(bytes calldata der, uint256 at, uint256 end, uint8 number)
        private
        pure
        returns (uint256 start, uint256 stop)
    {
        bytes32 wanted = keccak256(bytes.concat(OID_SGX, bytes1(number)));
        while (at < end) {
            uint256 next;
            (start, next) = Der.read(der, at, end, Der.SEQUENCE);
            (start, stop) = Der.read(der, start, next, Der.OID);
            if (keccak256(der[start:stop]) == wanted) return (stop, next);
            at = next;
        }
        revert PckExtension(at);
    }
}
