// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {Der} from "src/attestation/Der.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelPck} from "src/attestation/IntelPck.sol";
import {P256Ecdsa} from "src/attestation/P256Ecdsa.sol";
import {X509} from "src/attestation/X509.sol";
import {X509Crl} from "src/attestation/X509Crl.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {IntelHarness} from "../harness/IntelHarness.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice Certificates and CRLs of a development root: what is stored, what is refused, what revokes. Real ones: `RealIntel.t.sol`.
contract IntelCertificatesTest is IntelStack {
    bytes32 private _root;

    function setUp() public {
        vm.warp(Dev.NOW);
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _root = _certificates.ROOT();
        _pck = _certificates.addPck(Dev.pck(), _authority);
    }

    function test_platform_valid_succeeds() public view {
        IntelCertificates.Platform memory p = _certificates.platform(_pck);
        assertEq(p.key, Dev.key(Dev.PCK));
        assertEq(p.deviceId, keccak256(hex"811dca2a26b952e85bb6448b097ba4fd"));
        assertEq(p.fmspc, bytes6(0xb0c06f000000));
        assertEq(p.pceId, bytes2(0x0001));
        assertEq(p.pceSvn, 13);
        assertEq(p.components, bytes16(0x0102030405060708090a0b0c0d0e0f10));
        // The list of the Platform CA is the first to be stale.
        assertEq(p.notAfter, Dev.CRL_EXPIRY);
        assertEq(_certificates.signerValidity(_signer), 1_775_215_317);
        assertEq(_authority, keccak256(bytes.concat(keccak256(Dev.name(Dev.PLATFORM_CA)), Dev.key(Dev.PLATFORM_CA))));
        assertEq(_certificates.SIGNER_SUBJECT(), keccak256(Dev.name(Dev.SIGNER)));
    }

    function test_addRoot_other_reverts() public {
        bytes memory der = Dev.platformCa();
        vm.expectRevert(abi.encodeWithSelector(IntelPck.PckRoot.selector, _root, keccak256(der)));
        _certificates.addRoot(der);
    }

    /// @dev Before the root is added nothing has an issuer.
    function test_add_withoutIssuer_reverts() public {
        _certificates = new IntelCertificates(_root, keccak256(Dev.name(Dev.SIGNER)));
        bytes memory der = Dev.platformCa();
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _root));
        _certificates.addAuthority(der);
        der = Dev.tcbSigner();
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _root));
        _certificates.addSigner(der);
        der = Dev.pck();
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _authority));
        _certificates.addPck(der, _authority);
        der = _devShared().pckCrl;
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _authority));
        _certificates.addCrl(der, _authority);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _pck));
        _certificates.platform(_pck);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateMissing.selector, _signer));
        _certificates.signerValidity(_signer);
    }

    /// @dev A root that is no authority, or of another curve, is pinned by mistake.
    function test_addRoot_noAuthority_reverts() public {
        bytes memory der = Dev.certificate(Dev.fields(Dev.ROOT, Dev.ROOT, Dev.SIGNS));
        _certificates = new IntelCertificates(keccak256(der), keccak256(Dev.name(Dev.SIGNER)));
        vm.expectPartialRevert(IntelCertificates.CertificateRole.selector);
        _certificates.addRoot(der);
        der = vm.parseJsonBytes(vm.readFile("test/vectors/attestation/h100.json"), ".chain[4]");
        _certificates = new IntelCertificates(keccak256(der), keccak256(Dev.name(Dev.SIGNER)));
        vm.expectRevert(IntelPck.PckCurve.selector);
        _certificates.addRoot(der);
    }

    function test_add_otherRole_reverts() public {
        // A platform's certificate, which the root signed, is no authority and no signer; an authority is neither of the others.
        bytes memory leaf =
            Dev.certificate(Dev.fields(Dev.PCK, Dev.ROOT, Dev.leafExtensions(Dev.platform(Dev.NONE, Dev.NONE))));
        bytes32 subject = keccak256(Dev.name(Dev.PCK));
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRole.selector, subject));
        _certificates.addAuthority(leaf);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRole.selector, subject));
        _certificates.addSigner(leaf);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CertificateRole.selector, keccak256(Dev.name(Dev.ROOT)))
        );
        _certificates.addPck(leaf, _root);
        bytes memory authority =
            Dev.certificate(Dev.fields(Dev.SIGNER, Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES)));
        vm.expectPartialRevert(IntelCertificates.CertificateRole.selector);
        _certificates.addSigner(authority);
        authority = Dev.certificate(Dev.fields(Dev.PCK, Dev.PLATFORM_CA, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES)));
        vm.expectPartialRevert(IntelPck.PckLeaf.selector);
        _certificates.addPck(authority, _authority);
        // The Platform CA signs no signer, though it may sign a certificate with that name.
        bytes memory signer =
            Dev.certificate(Dev.fields(Dev.SIGNER, Dev.PLATFORM_CA, bytes.concat(Dev.SIGNS, Dev.NO_AUTHORITY)));
        vm.expectPartialRevert(X509.X509Issuer.selector);
        _certificates.addSigner(signer);
    }

    /// @dev A P-384 key has 96 bytes, of which nobody takes 64 for a key of P-256; nor two numbers that are no point of it. For each kind of
    ///      certificate, properly signed.
    function test_add_otherKey_reverts() public {
        bytes memory twist = abi.encode(uint256(1), uint256(2));
        bytes memory beyond = abi.encode(type(uint256).max, uint256(2));
        for (uint256 k; k < 4; ++k) {
            (string memory subject, string memory issuer, bytes memory extensions) = (Dev.SIGNER, Dev.ROOT, Dev.SIGNS);
            if (k == 1) (subject, extensions) = (Dev.PLATFORM_CA, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
            if (k == 2) {
                (subject, issuer) = (Dev.PCK, Dev.PLATFORM_CA);
                extensions = Dev.leafExtensions(Dev.platform(Dev.NONE, Dev.NONE));
            }
            if (k == 3) (subject, extensions) = (Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
            Dev.Fields memory fields = Dev.fields(subject, issuer, extensions);
            fields.key = Dev.keyInfo384(bytes.concat(Dev.key(subject), bytes32(uint256(1))));
            _refusesKey(k, Dev.certificate(fields), abi.encodeWithSelector(IntelPck.PckCurve.selector));
            fields.key = Dev.keyInfo(twist);
            _refusesKey(k, Dev.certificate(fields), abi.encodeWithSelector(P256Ecdsa.P256Point.selector, 1, 2));
            fields.key = Dev.keyInfo(beyond);
            _refusesKey(
                k,
                Dev.certificate(fields),
                abi.encodeWithSelector(P256Ecdsa.P256Point.selector, type(uint256).max, uint256(2))
            );
            fields.key = Dev.keyInfo(Dev.key(subject));
            // With its own key it is taken; authority and root are known already.
            if (k == 0 || k == 2) _add(k, Dev.certificate(fields), _certificates);
        }
    }

    function _refusesKey(uint256 k, bytes memory der, bytes memory reason) private {
        IntelCertificates certificates =
            k == 3 ? new IntelCertificates(keccak256(der), keccak256(Dev.name(Dev.SIGNER))) : _certificates;
        vm.expectRevert(reason);
        _add(k, der, certificates);
    }

    /// @dev Signer, authority, PCK certificate, root.
    function _add(uint256 k, bytes memory der, IntelCertificates certificates) private {
        if (k == 0) certificates.addSigner(der);
        else if (k == 1) certificates.addAuthority(der);
        else if (k == 2) certificates.addPck(der, _authority);
        else certificates.addRoot(der);
    }

    function test_add_forged_reverts() public {
        Dev.Fields memory fields = Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
        fields.signer = "Somebody";
        bytes memory der = Dev.certificate(fields);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _certificates.addAuthority(der);
        fields = Dev.fields(Dev.SIGNER, Dev.ROOT, bytes.concat(Dev.SIGNS, Dev.NO_AUTHORITY));
        fields.signer = "Somebody";
        der = Dev.certificate(fields);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _certificates.addSigner(der);
        fields = Dev.fields(Dev.PCK, Dev.PLATFORM_CA, Dev.leafExtensions(Dev.platform(Dev.NONE, Dev.NONE)));
        fields.signer = Dev.ROOT;
        der = Dev.certificate(fields);
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _certificates.addPck(der, _authority);
    }

    /// @dev An authority whose path length is 0 signs platforms, and one below a root of length 0 nothing.
    function test_add_pathLength_reverts() public {
        bytes memory limited = hex"30120603551d130101ff040830060101ff020100";
        bytes memory root = Dev.certificate(Dev.fields(Dev.ROOT, Dev.ROOT, bytes.concat(limited, Dev.CERTIFIES)));
        _deploy(root);
        bytes memory der = Dev.platformCa();
        vm.expectRevert(abi.encodeWithSelector(X509.X509Authority.selector, 0, 1));
        _certificates.addAuthority(der);
        _deploy(Dev.root());
        der = Dev.certificate(Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, bytes.concat(limited, Dev.CERTIFIES)));
        _certificates.addPck(Dev.pck(), _certificates.addAuthority(der));
    }

    function test_add_notValidNow_reverts() public {
        bytes memory pck = Dev.pck();
        vm.warp(1_738_884_350);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _certificates.addPck(pck, _authority);
        vm.warp(2_843_595_952);
        vm.expectPartialRevert(IntelCertificates.CertificateExpired.selector);
        _certificates.addPck(pck, _authority);
    }

    function test_platform_expired_reverts() public {
        Dev.Fields memory fields =
            Dev.fields(Dev.PCK, Dev.PLATFORM_CA, Dev.leafExtensions(Dev.platform(Dev.NONE, Dev.NONE)));
        fields.notAfter = "250701000000Z";
        bytes32 id = _certificates.addPck(Dev.certificate(fields), _authority);
        assertEq(_certificates.platform(id).notAfter, 1_751_328_000);
        vm.warp(1_751_328_000);
        _certificates.platform(id);
        vm.warp(1_751_328_001);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateExpired.selector, id, 1_751_328_000));
        _certificates.platform(id);
    }

    /// @dev The authority ends before its platforms; a renewed certificate goes on with the same platforms and lists, an older one is refused.
    function test_addAuthority_renewed_succeeds() public {
        _deploy(Dev.root());
        Dev.Fields memory fields = Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
        fields.notAfter = "250701000000Z";
        bytes memory old = Dev.certificate(fields);
        Shared memory shared = _devShared();
        shared.authority = old;
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        assertEq(_certificates.platform(_pck).notAfter, 1_751_328_000);
        vm.warp(1_751_328_001);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CertificateExpired.selector, _authority, 1_751_328_000)
        );
        _certificates.platform(_pck);
        assertEq(_certificates.addAuthority(Dev.platformCa()), _authority);
        assertEq(_certificates.platform(_pck).notAfter, Dev.CRL_EXPIRY);
        vm.warp(Dev.NOW);
        // 2060-02-06, or the root's end.
        (,,,,, uint256 notAfter,) = _certificates.authorityOf(_authority);
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CertificateNotNewer.selector, _authority, notAfter, 1_751_328_000)
        );
        _certificates.addAuthority(old);
    }

    function test_addCrl_revokes_succeeds() public {
        // Each of the three: the platform, its authority, the signer of TCB info. All have the same serial number.
        uint256 snapshot = vm.snapshotState();
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(Dev.SERIAL));
        vm.expectEmit();
        emit IntelCertificates.Revoked(_authority, Dev.SERIAL);
        _certificates.addCrl(list, _authority);
        assertTrue(_certificates.isRevoked(_authority, Dev.SERIAL));
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _authority, Dev.SERIAL));
        _certificates.platform(_pck);
        _certificates.signerValidity(_signer);
        // A list that does not have it brings nothing back.
        vm.warp(Dev.NOW + 1);
        _certificates.addCrl(Dev.crl(Dev.PLATFORM_CA, "250620000001Z", Dev.CRL_UNTIL, ""), _authority);
        vm.expectPartialRevert(IntelCertificates.CertificateRevoked.selector);
        _certificates.platform(_pck);
        vm.revertToState(snapshot);
        list = Dev.crl(Dev.ROOT, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(Dev.SERIAL));
        _certificates.addCrl(list, _root);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _root, Dev.SERIAL));
        _certificates.platform(_pck);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _root, Dev.SERIAL));
        _certificates.signerValidity(_signer);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _root, Dev.SERIAL));
        _certificates.checkSigned(_signer, 0, new bytes(64));
    }

    function test_addCrl_order_reverts() public {
        bytes memory same = _devShared().pckCrl;
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CrlNotNewer.selector, _authority, 1_750_327_235, 1_750_327_235)
        );
        _certificates.addCrl(same, _authority);
        bytes memory future = Dev.crl(Dev.PLATFORM_CA, "250620000001Z", Dev.CRL_UNTIL, "");
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlNotYetIssued.selector, _authority, Dev.NOW + 1));
        _certificates.addCrl(future, _authority);
        bytes memory stale = Dev.crl(Dev.PLATFORM_CA, "250619120000Z", "250619235959Z", Dev.crlEntry(Dev.SERIAL));
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlExpired.selector, _authority, Dev.NOW - 1));
        _certificates.addCrl(stale, _authority);
        // A stale list still revokes.
        _certificates.revoke(stale, _authority, 0, 1);
        assertTrue(_certificates.isRevoked(_authority, Dev.SERIAL));
        bytes memory older = Dev.crl(Dev.PLATFORM_CA, "250619100034Z", Dev.CRL_UNTIL, Dev.crlEntry(5));
        vm.expectPartialRevert(IntelCertificates.CrlNotNewer.selector);
        _certificates.revoke(older, _authority, 0, 1);
    }

    /// @dev The last second of a list, and of an authority; the current list itself; the same certificate again.
    function test_add_bounds_succeeds() public {
        _certificates.addCrl(Dev.crl(Dev.PLATFORM_CA, "250620000000Z", "250620000000Z", ""), _authority);
        _certificates.revoke(
            Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(5)), _authority, 0, 1
        );
        assertTrue(_certificates.isRevoked(_authority, 5));
        bytes memory der = Dev.platformCa();
        vm.expectPartialRevert(IntelCertificates.CertificateNotNewer.selector);
        _certificates.addAuthority(der);
        _deploy(Dev.root());
        Dev.Fields memory fields = Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
        fields.notAfter = "250620000000Z";
        _certificates.addPck(Dev.pck(), _certificates.addAuthority(Dev.certificate(fields)));
    }

    function test_addCrl_forged_reverts() public {
        bytes memory list = Dev.crl(Dev.ROOT, "250620000000Z", Dev.CRL_UNTIL, "");
        vm.expectRevert(
            abi.encodeWithSelector(
                IntelCertificates.CrlIssuer.selector,
                keccak256(Dev.name(Dev.PLATFORM_CA)),
                keccak256(Dev.name(Dev.ROOT))
            )
        );
        _certificates.addCrl(list, _authority);
        list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(5));
        // The last byte of s.
        list[list.length - 1] ^= 0x01;
        vm.expectRevert(P256Ecdsa.P256Signature.selector);
        _certificates.addCrl(list, _authority);
    }

    function test_platform_crl_reverts() public {
        vm.warp(Dev.CRL_EXPIRY);
        _certificates.platform(_pck);
        vm.warp(Dev.CRL_EXPIRY + 1);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlExpired.selector, _authority, Dev.CRL_EXPIRY));
        _certificates.platform(_pck);
        vm.warp(1_775_215_318);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlExpired.selector, _root, 1_775_215_317));
        _certificates.signerValidity(_signer);
        vm.warp(Dev.NOW);
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _authority = _certificates.addAuthority(shared.authority);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _signer = _certificates.addSigner(shared.signer);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlMissing.selector, _root));
        _certificates.signerValidity(_signer);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlMissing.selector, _authority));
        _certificates.platform(_pck);
        _certificates.addCrl(shared.pckCrl, _authority);
        vm.expectRevert(abi.encodeWithSelector(IntelCertificates.CrlMissing.selector, _root));
        _certificates.platform(_pck);
    }

    function test_revoke_part_succeeds() public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, _entries(1, 4));
        vm.recordLogs();
        _certificates.revoke(list, _authority, 1, 2);
        // Known ones cost nothing more, and are not announced again.
        _certificates.revoke(list, _authority, 1, 2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2);
        assertFalse(_certificates.isRevoked(_authority, 1));
        assertTrue(_certificates.isRevoked(_authority, 2));
        assertTrue(_certificates.isRevoked(_authority, 3));
        assertFalse(_certificates.isRevoked(_authority, 4));
        // The list is not the current one by that.
        (uint256 thisUpdate,) = _certificates.crlOf(_authority);
        assertEq(thisUpdate, 1_750_327_235);
        vm.expectRevert(abi.encodeWithSelector(X509Crl.CrlEntries.selector, 5, 4));
        _certificates.revoke(list, _authority, 3, 2);
        vm.expectRevert(abi.encodeWithSelector(X509Crl.CrlEntries.selector, 9, 4));
        _certificates.revoke(list, _authority, 9, 1);
        _certificates.addCrl(list, _authority);
        assertTrue(_certificates.isRevoked(_authority, 1));
        assertTrue(_certificates.isRevoked(_authority, 4));
    }

    /// @dev Lists that are not complete, or entries for other authorities' certificates, have critical extensions.
    function test_addCrl_critical_reverts() public {
        bytes memory critical = hex"300d0603551d1b0101ff0403020101";
        bytes memory list = Dev.crlWith(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, "", critical);
        vm.expectPartialRevert(X509.X509Extension.selector);
        _certificates.addCrl(list, _authority);
        bytes memory entry = Dev.crlEntryWith(5, hex"300d0603551d1d0101ff0403020101");
        list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, entry);
        vm.expectPartialRevert(X509.X509Extension.selector);
        _certificates.addCrl(list, _authority);
        // Others are passed over.
        entry = Dev.crlEntryWith(5, hex"300a0603551d180403020101300a0603551d1504030a0101");
        list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, entry);
        _certificates.addCrl(list, _authority);
        assertTrue(_certificates.isRevoked(_authority, 5));
    }

    function test_addCrl_encoding_reverts() public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, Dev.crlEntry(5));
        bytes memory surplus = bytes.concat(list, hex"00");
        vm.expectPartialRevert(Der.DerTrailing.selector);
        _certificates.addCrl(surplus, _authority);
        // SEQUENCE (4 bytes of header), SEQUENCE (3), version.
        assertEq(list[9], bytes1(0x01));
        list[9] = 0x00;
        vm.expectRevert(abi.encodeWithSelector(X509Crl.CrlVersion.selector, 0));
        _certificates.addCrl(list, _authority);
        list[9] = 0x01;
        list[21] = 0x03;
        vm.expectPartialRevert(X509Crl.CrlAlgorithm.selector);
        _certificates.addCrl(list, _authority);
    }

    /// @dev 129 entries, as on 2026-07-16: once 22,100 gas for each new one; the month after they are known.
    function test_snapshot_crlOf129Entries() public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, _entries(uint256(1) << 158, 129));
        _certificates.addCrl(list, _authority);
        assertLt(vm.lastCallGas().gasTotalUsed, 4_500_000);
        vm.snapshotGasLastCall("attestation", "crlOf129New");
        assertTrue(_certificates.isRevoked(_authority, (uint256(1) << 158) + 128));
        vm.warp(Dev.NOW + 1);
        list = Dev.crl(Dev.PLATFORM_CA, "250620000001Z", Dev.CRL_UNTIL, _entries(uint256(1) << 158, 129));
        _certificates.addCrl(list, _authority);
        assertLt(vm.lastCallGas().gasTotalUsed, 1_500_000);
        vm.snapshotGasLastCall("attestation", "crlOf129Known");
    }

    /// @dev Every bit of a list counts.
    function testFuzz_addCrl_flippedBit_reverts(uint256 bit) public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, _entries(7, 3));
        bit = bound(bit, 0, 8 * list.length - 1);
        list[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refused(abi.encodeCall(IntelCertificates.addCrl, (list, _authority)));
    }

    function testFuzz_addCrl_truncated_reverts(uint256 length) public {
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, _entries(7, 3));
        length = bound(length, 0, list.length - 1);
        // SAFETY: shortens.
        assembly ("memory-safe") {
            mstore(list, length)
        }
        _refused(abi.encodeCall(IntelCertificates.addCrl, (list, _authority)));
    }

    function testFuzz_addPck_flippedBit_reverts(uint256 bit) public {
        bytes memory der = Dev.pck();
        bit = bound(bit, 0, 8 * der.length - 1);
        der[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _refused(abi.encodeCall(IntelCertificates.addPck, (der, _authority)));
    }

    /// @dev The reader of lists ends in a list or a typed error, whatever changes.
    function testFuzz_crl_changedBytes_succeedsOrReverts(uint256[3] memory places, uint24 values) public {
        IntelHarness harness = new IntelHarness();
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, _entries(7, 3));
        for (uint256 k; k < 3; ++k) {
            list[places[k] % list.length] = bytes1(uint8(values >> (8 * k)));
        }
        (bool success, bytes memory reason) = address(harness).staticcall(abi.encodeCall(IntelHarness.crl, (list)));
        if (!success) _typed(reason);
    }

    function _refused(bytes memory call) private {
        (bool success, bytes memory reason) = address(_certificates).call{gas: 5_000_000}(call);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function _typed(bytes memory reason) private pure {
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _entries(uint256 first, uint256 count) private pure returns (bytes memory entries) {
        for (uint256 k; k < count; ++k) {
            entries = bytes.concat(entries, Dev.crlEntry(first + k));
        }
    }
}
