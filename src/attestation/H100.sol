// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {P384} from "./P384.sol";
import {Sha384} from "./Sha384.sol";
import {SpdmReport} from "./SpdmReport.sol";
import {X509} from "./X509.sol";

/// @title Evidence of NVIDIA H100 GPUs: a report, signed by a key that five certificates lead to
/// @notice Chain: firmware (leaf, per GPU and firmware), boot ROM (per GPU), provisioner, GH100 identity, NVIDIA Device Identity CA, which
///         the caller pins. A caller that keeps a verified leaf checks a report with `verifyReport` alone.
/// @dev What evidence does not show: that confidential computing is on (measured guest code has to), that the GPU sits in the machine of
///      the CPU that reports it, and that the GPU is not revoked: NVIDIA says so by OCSP only.
library H100 {
    using SpdmReport for bytes;

    /// @notice A chain ends in another certificate than the pinned one.
    error H100Root(bytes32 expected, bytes32 got);
    /// @notice A chain has one signature less than certificates, its root's own being checked by its hash.
    error H100Chain(uint256 certificates, uint256 hints);
    /// @notice A certificate or the leaf's key is not of P-384.
    error H100Curve();
    /// @notice The leaf is an authority, or its key does not sign.
    error H100Leaf(uint256 keyUsage);
    /// @notice Firmware was measured into another leaf than the one that signs.
    error H100Firmware(bytes32 inLeaf, bytes32 inReport);
    /// @notice The leaf's identity of the firmware is not the structure of Hopper GPUs.
    error H100Identity(uint256 at);
    /// @notice The leaf's alternative name is not that of a GH100 GPU: other devices (NVSwitch, Blackwell) have the same root.
    error H100Device(uint256 at);
    /// @notice The report answers another challenge.
    error H100Nonce(bytes32 expected, bytes32 got);

    /// @notice Types of opaque fields.
    uint16 internal constant DRIVER_VERSION = 3;
    uint16 internal constant VBIOS_VERSION = 6;
    uint16 internal constant NVDEC0_STATUS = 11;
    uint16 internal constant FIRMWARE_ID = 20;
    uint16 internal constant PROTECTED_PCIE = 21;
    uint16 internal constant FEATURE_FLAG = 36;
    uint16 internal constant CHIP_SKU = 15;
    uint16 internal constant PROJECT = 17;
    uint16 internal constant PROJECT_SKU = 18;

    /// @dev Contents of object identifiers: TCG's 2.23.133.5.4.1, and the subject's alternative name, 2.5.29.17.
    bytes private constant OID_DEVICE = hex"678105050401";
    bytes private constant OID_ALTERNATIVE_NAME = hex"551d11";
    /// @dev DMTF's otherName 1.3.6.1.4.1.412.274.1, and how a GH100's text begins.
    bytes32 private constant OID_DEVICE_NAME = keccak256(hex"2b06010401831c821201");
    bytes13 private constant DEVICE = "NVIDIA:GH100:";
    bytes32 private constant OID_SHA384 = keccak256(hex"608648016503040202");
    uint256 private constant HASH = 48;
    bytes32 private constant FIRMWARE_TAG = keccak256("OTR/gpu-firmware/1");
    uint8 private constant OTHER_NAME = 0xa0;
    uint8 private constant UTF8_STRING = 0x0c;

    /// @notice What a verified leaf says.
    /// @param key The key that signs reports, 96 bytes.
    /// @param firmware keccak256 of the firmware's identity, a SHA-384 digest.
    /// @param deviceId keccak256 of the device's name, e.g. "NVIDIA:GH100:48B02D92494BADF4": the GPU's stable identity.
    /// @param serial Serial number, for revocation with `issuer`.
    struct Leaf {
        bytes key;
        bytes32 firmware;
        bytes32 deviceId;
        bytes32 issuer;
        uint256 serial;
        uint64 notAfter;
    }

    /// @notice Verifies a chain, leaf first, root last; reverts with a typed error otherwise.
    /// @param hints For the signature of each certificate but the root (see `P384`).
    /// @param root keccak256 of the pinned certificate: the CA's, or that of "NVIDIA GH100 Identity" with a chain that ends there.
    /// @param time Seconds since 1970 at which all certificates have to be valid.
    function verifyChain(bytes[] calldata chain, bytes[] calldata hints, bytes32 root, uint256 time)
        internal
        view
        returns (Leaf memory leaf)
    {
        uint256 last = chain.length - (chain.length == 0 ? 0 : 1);
        if (chain.length < 2 || hints.length != last) revert H100Chain(chain.length, hints.length);
        bytes32 got = keccak256(chain[last]);
        if (got != root) revert H100Root(root, got);
        X509.Certificate memory issuer = X509.parse(chain[last]);
        X509.checkTime(issuer, time);
        for (uint256 k = last; k > 0; --k) {
            X509.Certificate memory c = X509.parse(chain[k - 1]);
            verifyCertificate(chain[k - 1], c, issuer, k - 1, hints[k - 1]);
            X509.checkTime(c, time);
            issuer = c;
        }
        return readLeaf(chain[0], issuer);
    }

    /// @notice Verifies one certificate against its issuer's, which the caller has verified; says nothing about its time.
    /// @param below Authorities behind the issuer on the way to the leaf, this certificate included.
    function verifyCertificate(
        bytes calldata der,
        X509.Certificate memory c,
        X509.Certificate memory issuer,
        uint256 below,
        bytes calldata hints
    ) internal view {
        checkIssued(c, issuer, below);
        P384.verify(Sha384.sha384(der[c.tbsStart:c.tbsEnd]), c.signature, issuer.key, hints);
    }

    /// @notice All of `verifyCertificate` but the signature.
    function checkIssued(X509.Certificate memory c, X509.Certificate memory issuer, uint256 below) internal pure {
        if (c.algorithm != X509.Algorithm.P384_SHA384 || issuer.keyCurve != X509.Algorithm.P384_SHA384) {
            revert H100Curve();
        }
        X509.checkIssuer(c, issuer, below);
    }

    /// @notice What a leaf says; the caller has verified it.
    function readLeaf(bytes calldata der, X509.Certificate memory c) internal pure returns (Leaf memory leaf) {
        if (c.isAuthority || c.keyUsage & X509.USAGE_SIGN == 0) revert H100Leaf(c.keyUsage);
        if (c.keyCurve != X509.Algorithm.P384_SHA384) revert H100Curve();
        leaf.key = c.key;
        leaf.firmware = _firmware(der, c);
        leaf.deviceId = _device(der, c);
        leaf.issuer = c.issuer;
        leaf.serial = c.serial;
        leaf.notAfter = c.notAfter;
    }

    /// @notice Verifies that the leaf's key signed this report for this challenge.
    function verifyReport(bytes calldata report, Leaf memory leaf, bytes32 nonce, bytes calldata hints)
        internal
        view
        returns (SpdmReport.Report memory parsed)
    {
        parsed = verifySigned(report, leaf, hints);
        // INVARIANT: the requester's nonce is signed and is the challenge: reports are not replayed.
        if (parsed.nonce != nonce) revert H100Nonce(nonce, parsed.nonce);
    }

    /// @notice Verifies that the leaf's key signed this report; the caller compares its nonce.
    function verifySigned(bytes calldata report, Leaf memory leaf, bytes calldata hints)
        internal
        view
        returns (SpdmReport.Report memory parsed)
    {
        parsed = SpdmReport.parse(report);
        // Drivers before 550 report no firmware identity.
        (uint256 count, uint256 start, uint256 end) = report.find(parsed, FIRMWARE_ID);
        if (count != 0) {
            bytes32 firmware = keccak256(report[start:end]);
            if (count != 1 || firmware != leaf.firmware) revert H100Firmware(leaf.firmware, firmware);
        }
        P384.verify(Sha384.sha384(report[:parsed.signedEnd]), report.signature(parsed), leaf.key, hints);
    }

    /// @notice What a list of accepted firmware names: the chosen measurements, and which driver, VBIOS, board and mode they belong to.
    /// @param chosen Bit k stands for measurement k + 1. It is part of what is hashed, so that choosing less names something else.
    function firmwareOf(bytes calldata report, SpdmReport.Report memory parsed, uint256 chosen)
        internal
        pure
        returns (bytes32)
    {
        uint16[8] memory kinds = [
            DRIVER_VERSION, VBIOS_VERSION, NVDEC0_STATUS, CHIP_SKU, PROJECT, PROJECT_SKU, PROTECTED_PCIE, FEATURE_FLAG
        ];
        bytes32[8] memory fields;
        for (uint256 k; k < kinds.length; ++k) {
            (uint256 count, uint256 start, uint256 end) = report.find(parsed, kinds[k]);
            // INVARIANT: a field says one thing. Older drivers leave some out.
            if (count > 1) revert SpdmReport.SpdmOpaque(kinds[k], count);
            fields[k] = keccak256(report[start:end]);
        }
        return keccak256(abi.encode(FIRMWARE_TAG, chosen, report.digest(parsed, chosen), fields));
    }

    /// @dev SEQUENCE of one otherName: [0] of an object identifier and [0] of UTF8String.
    function _device(bytes calldata der, X509.Certificate memory c) private pure returns (bytes32) {
        (uint256 at, uint256 end) = X509.extension(der, c, OID_ALTERNATIVE_NAME);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        (at, end) = Der.only(der, at, end, OTHER_NAME);
        (uint256 start, uint256 stop) = Der.read(der, at, end, Der.OID);
        if (keccak256(der[start:stop]) != OID_DEVICE_NAME) revert H100Device(at);
        (at, end) = Der.only(der, stop, end, OTHER_NAME);
        (start, stop) = Der.only(der, at, end, UTF8_STRING);
        // INVARIANT: only GH100 GPUs, whatever else the pinned certificate stands for.
        if (stop - start <= DEVICE.length || bytes13(der[start:stop]) != DEVICE) revert H100Device(start);
        return keccak256(der[start:stop]);
    }

    /// @dev SEQUENCE of version, device key, and SEQUENCE of hash algorithm and firmware identity.
    function _firmware(bytes calldata der, X509.Certificate memory c) private pure returns (bytes32) {
        (uint256 at, uint256 end) = X509.extension(der, c, OID_DEVICE);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        uint256 version;
        (version, at) = Der.uintAt(der, at, end, 1);
        if (version != 1) revert H100Identity(at);
        (, at) = Der.read(der, at, end, Der.SEQUENCE);
        (at, end) = Der.only(der, at, end, Der.SEQUENCE);
        (uint256 start, uint256 stop) = Der.read(der, at, end, Der.OID);
        if (keccak256(der[start:stop]) != OID_SHA384) revert H100Identity(at);
        (start, stop) = Der.only(der, stop, end, Der.OCTET_STRING);
        if (stop - start != HASH) revert H100Identity(start);
        return keccak256(der[start:stop]);
    }
}
