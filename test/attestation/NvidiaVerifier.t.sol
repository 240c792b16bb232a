// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Test} from "forge-std/Test.sol";
import {Der} from "src/attestation/Der.sol";
import {H100} from "src/attestation/H100.sol";
import {NvidiaCertificates} from "src/attestation/NvidiaCertificates.sol";
import {NvidiaVerifier} from "src/attestation/NvidiaVerifier.sol";
import {P384} from "src/attestation/P384.sol";
import {P384Verifier} from "src/attestation/P384Verifier.sol";
import {SpdmReport} from "src/attestation/SpdmReport.sol";
import {X509} from "src/attestation/X509.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";

/// @notice Certificates and reports in the form of a real H100's, signed by keys of our own (`ts/attestation/vectors/h100.ts`). Real
///         evidence: `ts/attestation/gpu-evidence.chain.test.ts`.
contract NvidiaVerifierTest is Test {
    uint256 private constant NOW = 1_790_000_000;
    uint64 private constant CHOSEN = 0x1fff;

    AccessManager private _manager;
    NvidiaCertificates private _certificates;
    NvidiaVerifier private _verifier;
    address private _revoker = makeAddr("revoker");
    string private _json;
    bytes[] private _chain;
    bytes[] private _hints;
    bytes private _report;
    bytes private _reportHints;
    bytes32[] private _ids;

    function setUp() public {
        vm.warp(NOW);
        _json = vm.readFile("test/vectors/attestation/h100.json");
        _chain = vm.parseJsonBytesArray(_json, ".chain");
        _hints = vm.parseJsonBytesArray(_json, ".hints");
        _report = vm.parseJsonBytes(_json, ".reports.good");
        _reportHints = vm.parseJsonBytes(_json, ".reportHints");
        _manager = new AccessManager(address(this));
        _certificates = _fresh(vm.parseJsonBytes32(_json, ".root"));
        _verifier = new NvidiaVerifier(_certificates);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = NvidiaCertificates.revoke.selector;
        _manager.setTargetFunctionRole(address(_certificates), selectors, 2);
        _manager.grantRole(2, _revoker, 0);
        // Anybody caches.
        vm.startPrank(makeAddr("anybody"));
        _ids = new bytes32[](5);
        _ids[4] = _certificates.cacheRoot(_chain[4]);
        for (uint256 k = 4; k > 0; --k) {
            _ids[k - 1] = _certificates.cache(_chain[k - 1], _ids[k], _hints[k - 1]);
        }
        vm.stopPrank();
    }

    function _fresh(bytes32 root) private returns (NvidiaCertificates) {
        return new NvidiaCertificates(address(_manager), root, new P384Verifier());
    }

    function _aux(bytes32 leaf, uint64 chosen, bytes memory hints) private pure returns (bytes memory) {
        return abi.encodePacked(leaf, chosen, hints);
    }

    function _aux() private view returns (bytes memory) {
        return _aux(_ids[0], CHOSEN, _reportHints);
    }

    function _claims(bytes32 certificate) private pure returns (Claims memory claims) {
        claims.certificate = certificate;
    }

    function test_verify_claims_succeeds() public view {
        Claims memory claims = _verifier.verify(_report, _aux());
        assertEq(claims.kind, bytes32("NV_SPDM"));
        assertEq(claims.kind, _verifier.kind());
        assertEq(claims.deviceId, keccak256("NVIDIA:GH100:0123456789ABCDEF"));
        assertEq(claims.rd0, vm.parseJsonBytes32(_json, ".nonce"));
        assertEq(claims.certificate, _ids[0]);
        assertEq(claims.notAfter, 253_402_300_799);
        assertEq(claims.evidenceHash, keccak256(_slice(_report, 0, _report.length - 96)));
        assertEq(claims.measurement, _firmware(CHOSEN));
        assertEq(claims.tcbStatus, 0);
    }

    /// @dev What a list names: choosing fewer measurements, or other ones, names something else.
    function testFuzz_verify_chosen_namesOthers_succeeds(uint64 chosen) public view {
        vm.assume(chosen != CHOSEN);
        Claims memory claims = _verifier.verify(_report, _aux(_ids[0], chosen, _reportHints));
        assertEq(claims.measurement, _firmware(chosen));
        assertNotEq(claims.measurement, _firmware(CHOSEN));
    }

    /// @dev As `ts/attestation/gpu-firmware.ts` computes it.
    function _firmware(uint64 chosen) private view returns (bytes32) {
        bytes memory values;
        for (uint256 k; k < 64; ++k) {
            if (chosen >> k & 1 == 1) values = bytes.concat(values, _slice(_report, 52 + 55 * k, 48));
        }
        bytes32 none = keccak256("");
        bytes32[8] memory fields = [
            keccak256("550.90.07\x00"),
            keccak256(hex"009f009601000000"),
            keccak256(hex"55"),
            none,
            none,
            none,
            none,
            none
        ];
        return keccak256(abi.encode(keccak256("OTR/gpu-firmware/1"), uint256(chosen), keccak256(values), fields));
    }

    function test_verify_aux_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(NvidiaVerifier.AuxLength.selector, 40, 39));
        _verifier.verify(_report, new bytes(39));
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.UnknownCertificate.selector, bytes32("leaf")));
        _verifier.verify(_report, _aux("leaf", CHOSEN, _reportHints));
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.NotALeaf.selector, _ids[1]));
        _verifier.verify(_report, _aux(_ids[1], CHOSEN, _reportHints));
        vm.expectPartialRevert(P384.P384HintsLength.selector);
        _verifier.verify(_report, _aux(_ids[0], CHOSEN, bytes.concat(_reportHints, hex"00")));
        vm.expectPartialRevert(P384.P384HintsLength.selector);
        _verifier.verify(_report, _aux(_ids[0], CHOSEN, ""));
    }

    function test_verify_firmware_reverts() public {
        bytes memory report = vm.parseJsonBytes(_json, ".reports.otherFirmware");
        vm.expectPartialRevert(H100.H100Firmware.selector);
        _verifier.verify(report, _aux());
    }

    /// @dev With valid signatures, as NVIDIA's samples have them.
    function test_verify_cannedNonce_reverts() public {
        bytes32[2] memory canned = [
            bytes32(0x931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb),
            0x4cff7f5380ead8fad8ec2c531c110aca4302a88f603792801a8ca29ee151af2e
        ];
        bytes[] memory hints = vm.parseJsonBytesArray(_json, ".cannedHints");
        for (uint256 k; k < 2; ++k) {
            bytes memory report = vm.parseJsonBytes(_json, k == 0 ? ".reports.canned" : ".reports.cannedToo");
            bytes memory aux = _aux(_ids[0], CHOSEN, hints[k]);
            vm.expectRevert(abi.encodeWithSelector(NvidiaVerifier.CannedNonce.selector, canned[k]));
            _verifier.verify(report, aux);
        }
    }

    /// @dev Sampled; `OTR_FLIPS` chooses how many, 0 takes every byte.
    function test_verify_flippedBytes_reverts() public {
        uint256 flips = vm.envOr("OTR_FLIPS", uint256(64));
        (bytes memory report, bytes memory aux) = (_report, _aux());
        uint256 count = flips == 0 ? report.length : flips;
        // All bytes take more gas than a test has.
        vm.pauseGasMetering();
        for (uint256 k; k < count; ++k) {
            uint256 place = k * report.length / count;
            bytes1 bit = bytes1(uint8(1 << (k % 8)));
            uint256 free;
            // SAFETY: nothing of an earlier turn is used again.
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            report[place] ^= bit;
            _refuses(report, aux);
            report[place] ^= bit;
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
        vm.resumeGasMetering();
    }

    function test_verify_lengths_reverts() public view {
        _refuses(bytes.concat(_report, hex"00"), _aux());
        for (uint256 length; length < _report.length; length += 101) {
            _refuses(_slice(_report, 0, length), _aux());
        }
    }

    /// @dev s and n - s verify both: with hints of its own a twin proves the same report, and is the same evidence.
    function test_verify_twin_isTheSame_succeeds() public view {
        bytes memory twin = vm.parseJsonBytes(_json, ".reports.twin");
        assertNotEq(keccak256(twin), keccak256(_report));
        Claims memory claims = _verifier.verify(twin, _aux(_ids[0], CHOSEN, vm.parseJsonBytes(_json, ".twinHints")));
        assertEq(abi.encode(claims), abi.encode(_verifier.verify(_report, _aux())));
    }

    function testFuzz_verify_flippedAux_reverts(uint256 bit) public view {
        bytes memory aux = _aux();
        // All but the choice of measurements, which names other firmware.
        bit = bit % (8 * (aux.length - 8));
        uint256 place = bit / 8 < 32 ? bit / 8 : bit / 8 + 8;
        aux[place] ^= bytes1(uint8(1 << (bit % 8)));
        _refuses(_report, aux);
    }

    // ---------------------------------------------------------------- certificates

    function test_cache_entries_succeeds() public {
        NvidiaCertificates.Entry memory leaf = _certificates.entryOf(_ids[0]);
        assertTrue(leaf.isLeaf);
        assertEq(leaf.parent, _ids[1]);
        assertEq(_certificates.entryOf(_ids[4]).parent, 0);
        assertEq(_certificates.entryOf(_ids[4]).room, 255);
        assertEq(_certificates.idOf(_chain[0], _ids[1]), _ids[0]);
        // Again: nothing happens, and no hints are asked for.
        vm.record();
        assertEq(_certificates.cache(_chain[0], _ids[1], ""), _ids[0]);
        assertEq(_certificates.cacheRoot(_chain[4]), _ids[4]);
        (, bytes32[] memory writes) = vm.accesses(address(_certificates));
        assertEq(writes.length, 0);
    }

    function test_cacheRoot_other_reverts() public {
        bytes32 root = _certificates.ROOT();
        vm.expectRevert(abi.encodeWithSelector(H100.H100Root.selector, root, keccak256(_chain[3])));
        _certificates.cacheRoot(_chain[3]);
        NvidiaCertificates other = _fresh(keccak256(_chain[0]));
        vm.expectPartialRevert(X509.X509Authority.selector);
        other.cacheRoot(_chain[0]);
        // Only one of the two: may certify, is an authority.
        string[2] memory names = [".certificates.leafNotSigning", ".certificates.withoutUsage"];
        for (uint256 k; k < 2; ++k) {
            bytes memory der = vm.parseJsonBytes(_json, names[k]);
            NvidiaCertificates of_ = _fresh(keccak256(der));
            vm.expectPartialRevert(X509.X509Authority.selector);
            of_.cacheRoot(der);
        }
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.UnknownCertificate.selector, bytes32(0)));
        other.cache(_chain[0], 0, _hints[0]);
    }

    function test_cache_wrongParent_reverts() public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 root = fresh.cacheRoot(_chain[4]);
        vm.expectPartialRevert(X509.X509Issuer.selector);
        fresh.cache(_chain[2], root, _hints[2]);
        // Nothing hangs under a leaf.
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _certificates.cache(_chain[1], _ids[0], _hints[1]);
        bytes memory unknown = vm.parseJsonBytes(_json, ".certificates.unknown");
        (bool success, bytes memory reason) =
            address(_certificates).call(abi.encodeCall(NvidiaCertificates.cache, (unknown, _ids[1], _hints[0])));
        assertFalse(success, "another certificate's hints");
        _typed(reason);
    }

    function test_cache_pathLength_reverts() public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 root = fresh.cacheRoot(_chain[4]);
        bytes memory der = vm.parseJsonBytes(_json, ".certificates.limited");
        bytes32 limited = fresh.cache(der, root, vm.parseJsonBytes(_json, ".limitedHints"));
        assertEq(fresh.entryOf(limited).room, 0);
        vm.expectRevert(abi.encodeWithSelector(X509.X509Authority.selector, 0, 1));
        fresh.cache(_chain[2], limited, _hints[2]);
        // One authority below: what it allows itself does not count.
        der = vm.parseJsonBytes(_json, ".certificates.limitedToOne");
        limited = fresh.cache(der, root, vm.parseJsonBytes(_json, ".limitedToOneHints"));
        bytes32 below = fresh.cache(_chain[2], limited, _hints[2]);
        assertEq(fresh.entryOf(below).room, 0);
        vm.expectRevert(abi.encodeWithSelector(X509.X509Authority.selector, 0, 1));
        fresh.cache(_chain[1], below, _hints[1]);
    }

    /// @dev The boot ROM's key has two certificates: below each the leaf is another entry, with its own path's end and revocations.
    function test_cache_twoPaths_succeeds() public {
        bytes memory der = vm.parseJsonBytes(_json, ".certificates.shortLived");
        bytes32 shorter = _certificates.cache(der, _ids[2], vm.parseJsonBytes(_json, ".shortLivedHints"));
        bytes32 leaf = _certificates.cache(_chain[0], shorter, _hints[0]);
        assertNotEq(leaf, _ids[0]);
        assertEq(_certificates.leafOf(leaf).notAfter, 1_798_761_600);
        assertEq(_certificates.entryOf(leaf).notBefore, 1_767_225_600);
        assertEq(_verifier.verify(_report, _aux(leaf, CHOSEN, _reportHints)).notAfter, 1_798_761_600);
        vm.warp(1_798_761_601);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _certificates.leafOf(leaf);
        assertEq(_certificates.leafOf(_ids[0]).notAfter, 253_402_300_799);
        vm.warp(NOW);
        NvidiaCertificates.Entry memory revoked = _certificates.entryOf(_ids[1]);
        vm.prank(_revoker);
        _certificates.revoke(revoked.issuer, revoked.serial);
        assertFalse(_certificates.isRevoked(leaf));
        assertTrue(_certificates.isRevoked(_ids[0]));
    }

    /// @dev By an issuer's id nothing is revoked below another certificate, though name and key are the same.
    function test_revoke_byIssuersId_succeeds() public {
        bytes memory der = vm.parseJsonBytes(_json, ".certificates.shortLived");
        bytes32 shorter = _certificates.cache(der, _ids[2], vm.parseJsonBytes(_json, ".shortLivedHints"));
        bytes32 leaf = _certificates.cache(_chain[0], shorter, _hints[0]);
        uint256 serial = _certificates.entryOf(leaf).serial;
        vm.prank(_revoker);
        _certificates.revoke(shorter, serial);
        assertTrue(_certificates.isRevoked(leaf));
        assertFalse(_certificates.isRevoked(_ids[0]));
        assertTrue(_certificates.isRevokedUnder(shorter, serial));
        assertFalse(_certificates.isRevokedUnder(_ids[1], serial));
        _certificates.reinstate(shorter, serial);
        assertFalse(_certificates.isRevoked(leaf));
        bytes32 name = _certificates.entryOf(leaf).issuer;
        vm.prank(_revoker);
        _certificates.revoke(name, serial);
        assertTrue(_certificates.isRevokedUnder(shorter, serial));
        assertTrue(_certificates.isRevokedUnder(_ids[1], serial));
    }

    function test_cache_hints_reverts() public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 root = fresh.cacheRoot(_chain[4]);
        bytes memory der = _chain[3];
        bytes[3] memory wrong = [bytes(""), bytes.concat(_hints[3], hex"00"), _slice(_hints[3], 0, 1000)];
        for (uint256 k; k < 3; ++k) {
            vm.expectPartialRevert(P384.P384HintsLength.selector);
            fresh.cache(der, root, wrong[k]);
        }
        vm.expectPartialRevert(Der.DerTrailing.selector);
        fresh.cache(bytes.concat(der, hex"00"), root, _hints[3]);
        vm.expectPartialRevert(Der.DerTruncated.selector);
        fresh.cache(_slice(der, 0, der.length - 1), root, _hints[3]);
    }

    /// @dev Both signatures of a certificate verify, and are one certificate.
    function test_cache_twin_isTheSame_succeeds() public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 id = fresh.cacheRoot(_chain[4]);
        for (uint256 k = 4; k > 1; --k) {
            id = fresh.cache(_chain[k - 1], id, _hints[k - 1]);
        }
        bytes memory twin = vm.parseJsonBytes(_json, ".certificates.leafTwin");
        assertNotEq(keccak256(twin), keccak256(_chain[0]));
        bytes32 leaf = fresh.cache(twin, id, vm.parseJsonBytes(_json, ".leafTwinHints"));
        assertEq(leaf, _ids[0]);
        assertEq(abi.encode(fresh.leafOf(leaf)), abi.encode(_certificates.leafOf(leaf)));
    }

    function test_cache_keyOfAnotherCurve_reverts() public {
        bytes memory der = vm.parseJsonBytes(_json, ".certificates.p256");
        bytes memory hints = vm.parseJsonBytes(_json, ".p256Hints");
        vm.expectRevert(H100.H100Curve.selector);
        _certificates.cache(der, _ids[4], hints);
    }

    function test_leafOf_outsideValidity_reverts() public {
        vm.warp(253_402_300_800);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _certificates.leafOf(_ids[0]);
        vm.warp(1);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _verifier.verify(_report, _aux());
    }

    function test_revoke_anyOfTheChain_reverts() public {
        for (uint256 k; k < 5; ++k) {
            NvidiaCertificates.Entry memory entry = _certificates.entryOf(_ids[k]);
            assertFalse(_verifier.isRevoked(_claims(_ids[0]), ""));
            vm.prank(_revoker);
            _certificates.revoke(entry.issuer, entry.serial);
            assertTrue(_verifier.isRevoked(_claims(_ids[0]), ""));
            vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.CertificateRevoked.selector, _ids[0], _ids[k]));
            _verifier.verify(_report, _aux());
            // The administrator's, behind the timelock.
            _certificates.reinstate(entry.issuer, entry.serial);
        }
        _verifier.verify(_report, _aux());
    }

    function test_revoke_stranger_reverts() public {
        address stranger = makeAddr("stranger");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        _certificates.revoke("issuer", 1);
        vm.prank(_revoker);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _revoker));
        _certificates.reinstate("issuer", 1);
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.UnknownCertificate.selector, bytes32("none")));
        _verifier.isRevoked(_claims("none"), "");
        vm.expectRevert(abi.encodeWithSelector(NvidiaVerifier.AuxLength.selector, 0, 1));
        _verifier.isRevoked(_claims(_ids[0]), hex"00");
    }

    function testFuzz_cache_flippedByte_reverts(uint256 place, uint8 bit) public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 root = fresh.cacheRoot(_chain[4]);
        bytes memory der = _chain[3];
        der[place % der.length] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success, bytes memory reason) =
            address(fresh).call(abi.encodeCall(NvidiaCertificates.cache, (der, root, _hints[3])));
        assertFalse(success, "accepted");
        _typed(reason);
    }

    /// @dev Each step is a transaction by itself; with calldata all stay far below the 2^24 that one may take.
    function test_snapshot_nvidia() public {
        NvidiaCertificates fresh = _fresh(keccak256(_chain[4]));
        bytes32 id = fresh.cacheRoot(_chain[4]);
        vm.snapshotGasLastCall("attestation", "nvidiaCacheRoot");
        string[4] memory names =
            ["nvidiaCacheLeaf", "nvidiaCacheBootRom", "nvidiaCacheProvisioner", "nvidiaCacheIdentity"];
        for (uint256 k = 4; k > 0; --k) {
            id = fresh.cache(_chain[k - 1], id, _hints[k - 1]);
            uint256 gas = vm.snapshotGasLastCall("attestation", names[k - 1]);
            assertLt(gas, 3_000_000);
        }
        _verifier.verify(_report, _aux());
        uint256 verified = vm.snapshotGasLastCall("attestation", "nvidiaReport");
        assertLt(verified + 16 * (_report.length + _aux().length), 3_500_000);
    }

    function _refuses(bytes memory report, bytes memory aux) private view {
        (bool success, bytes memory reason) =
            address(_verifier).staticcall(abi.encodeCall(NvidiaVerifier.verify, (report, aux)));
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function _typed(bytes memory reason) private pure {
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _slice(bytes memory data, uint256 start, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        for (uint256 k; k < length; ++k) {
            out[k] = data[start + k];
        }
    }
}
