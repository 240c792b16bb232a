// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Test} from "forge-std/Test.sol";
import {Der} from "src/attestation/Der.sol";
import {NvidiaCertificates} from "src/attestation/NvidiaCertificates.sol";
import {NvidiaOcsp} from "src/attestation/NvidiaOcsp.sol";
import {NvidiaVerifier} from "src/attestation/NvidiaVerifier.sol";
import {Ocsp} from "src/attestation/Ocsp.sol";
import {P384} from "src/attestation/P384.sol";
import {P384Verifier} from "src/attestation/P384Verifier.sol";
import {X509} from "src/attestation/X509.sol";
import {Claims} from "src/interfaces/IEvidenceVerifier.sol";
import {OcspHarness} from "../harness/OcspHarness.sol";

/// @notice Answers of a development root's responder, in the form of RFC 6960 (`ts/attestation/vectors/ocsp.ts`): none of NVIDIA's is published.
contract NvidiaOcspTest is Test {
    uint256 private constant NOW = 1_790_000_000;

    /// @dev A call of `NvidiaOcsp.revoke`.
    struct Call {
        bytes response;
        bytes32 issuer;
        bytes issuerName;
        bytes hints;
        bytes responderHints;
    }

    AccessManager private _manager;
    NvidiaCertificates private _certificates;
    NvidiaVerifier private _verifier;
    NvidiaOcsp private _ocsp;
    OcspHarness private _harness = new OcspHarness();
    address private _revoker = makeAddr("revoker");
    string private _json;
    bytes32[] private _ids;
    /// @dev What fuzz tests change; reading the file takes long.
    Call private _delegated;
    Call private _byIssuer;

    function setUp() public {
        vm.warp(NOW);
        _json = vm.readFile("test/vectors/attestation/ocsp.json");
        bytes[] memory chain = vm.parseJsonBytesArray(_json, ".chain");
        bytes[] memory hints = vm.parseJsonBytesArray(_json, ".hints");
        _manager = new AccessManager(address(this));
        _certificates =
            new NvidiaCertificates(address(_manager), vm.parseJsonBytes32(_json, ".root"), new P384Verifier());
        _verifier = new NvidiaVerifier(_certificates);
        _ocsp = new NvidiaOcsp(_certificates);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = NvidiaCertificates.revoke.selector;
        _manager.setTargetFunctionRole(address(_certificates), selectors, 2);
        _manager.grantRole(2, _revoker, 0);
        _manager.grantRole(2, address(_ocsp), 0);
        _ids = new bytes32[](5);
        _ids[4] = _certificates.cacheRoot(chain[4]);
        for (uint256 k = 4; k > 0; --k) {
            _ids[k - 1] = _certificates.cache(chain[k - 1], _ids[k], hints[k - 1]);
        }
        _delegated = _call("delegated");
        _byIssuer = _call("byIssuer");
    }

    function test_revoke_delegated_succeeds() public {
        Call memory c = _call("delegated");
        uint256 serial = _certificates.entryOf(_ids[1]).serial;
        assertFalse(_isRevoked());
        vm.expectEmit(address(_ocsp));
        emit NvidiaOcsp.OcspSubmitted(_ids[2], serial, NOW);
        vm.prank(makeAddr("anybody"));
        _revoke(c);
        assertTrue(_isRevoked());
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.CertificateRevoked.selector, _ids[0], _ids[1]));
        _certificates.leafOf(_ids[0]);
        assertTrue(_certificates.isRevokedUnder(_ids[2], serial));
        assertFalse(_certificates.isRevokedUnder(_ids[3], serial));
    }

    function test_revoke_byIssuer_succeeds() public {
        _revoke(_call("byIssuer"));
        assertTrue(_isRevoked());
    }

    /// @dev The responder is named by its key's hash, and answers for the root.
    function test_revoke_authority_succeeds() public {
        _revoke(_call("identity"));
        assertTrue(_certificates.isRevoked(_ids[3]));
        assertFalse(_certificates.isRevoked(_ids[4]));
        assertTrue(_isRevoked());
        // Nobody below it is asked any more.
        Call memory c = _call("delegated");
        uint256 serial = _certificates.entryOf(_ids[2]).serial;
        vm.expectRevert(abi.encodeWithSelector(NvidiaOcsp.OcspRevoked.selector, _ids[2], serial));
        _revoke(c);
    }

    /// @dev Forms of answers that RFC 6960 leaves open get as far as their signature: here without hints.
    function test_revoke_otherForms_reachTheSignature_reverts() public {
        string[4] memory names = ["byIssuersKey", "onHold", "bare", "purposesNotCritical"];
        for (uint256 k; k < names.length; ++k) {
            Call memory c = _call(names[k]);
            vm.expectPartialRevert(P384.P384HintsLength.selector);
            _revoke(c);
        }
    }

    function test_revoke_notRevoked_reverts() public {
        bytes memory refusal =
            abi.encodeWithSelector(NvidiaOcsp.OcspNotRevoked.selector, _certificates.entryOf(_ids[1]).serial);
        Call memory c = _call("good");
        vm.expectRevert(refusal);
        _revoke(c);
        c = _call("unknown");
        vm.expectRevert(refusal);
        _revoke(c);
    }

    function test_revoke_notAResponder_reverts() public {
        string[3] memory names = ["notAResponder", "authority", "notSigning"];
        for (uint256 k; k < names.length; ++k) {
            Call memory c = _call(names[k]);
            vm.expectPartialRevert(NvidiaOcsp.OcspNotAResponder.selector);
            _revoke(c);
        }
        Call memory other = _call("withoutPurposes");
        vm.expectPartialRevert(X509.X509ExtensionMissing.selector);
        _revoke(other);
        other = _call("expiredResponder");
        vm.expectPartialRevert(X509.X509Validity.selector);
        _revoke(other);
    }

    function test_revoke_revokedResponder_reverts() public {
        Call memory c = _call("delegated");
        uint256 serial = _harness.responderSerial(c.response);
        bytes32 name = _certificates.entryOf(_ids[2]).subject;
        vm.prank(_revoker);
        _certificates.revoke(name, serial);
        vm.expectRevert(abi.encodeWithSelector(NvidiaOcsp.OcspRevoked.selector, _ids[2], serial));
        _revoke(c);
        assertFalse(_isRevoked());
    }

    function test_revoke_times_reverts() public {
        Call memory c = _call("delegated");
        bytes4 refusal = NvidiaOcsp.OcspValidity.selector;
        vm.warp(NOW - 1);
        vm.expectRevert(abi.encodeWithSelector(refusal, NOW, NOW + 1 days, NOW - 1));
        _revoke(c);
        vm.warp(NOW + 1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(refusal, NOW, NOW + 1 days, NOW + 1 days + 1));
        _revoke(c);
        Call memory later = _call("later");
        vm.warp(NOW);
        vm.expectRevert(abi.encodeWithSelector(refusal, NOW, NOW + 1 days, NOW));
        _revoke(later);
        vm.warp(NOW + 1 days);
        _revoke(c);
        assertTrue(_isRevoked());
    }

    /// @dev What governance takes back comes back with a newer answer only.
    function test_revoke_reinstated_succeeds() public {
        Call memory c = _call("delegated");
        Call memory newer = _call("newer");
        uint256 serial = _certificates.entryOf(_ids[1]).serial;
        _revoke(c);
        _certificates.reinstate(_ids[2], serial);
        assertFalse(_isRevoked());
        vm.expectRevert(abi.encodeWithSelector(NvidiaOcsp.OcspNotNewer.selector, NOW, NOW));
        _revoke(c);
        assertFalse(_isRevoked());
        vm.warp(NOW + 1);
        _revoke(newer);
        assertTrue(_isRevoked());
    }

    // Whoever kept several answers revoked again, one after the other, what governance had reinstated since all of them.
    function test_revoke_newerThanTheFirstOlderThanReinstated_reverts() public {
        Call memory newer = _call("newer");
        uint256 serial = _certificates.entryOf(_ids[1]).serial;
        _revoke(_call("delegated"));
        vm.warp(NOW + 2);
        _certificates.reinstate(_ids[2], serial);
        assertEq(_certificates.reinstatedAt(_ids[2], serial), NOW + 2);
        vm.expectRevert(abi.encodeWithSelector(NvidiaOcsp.OcspNotNewer.selector, NOW + 2, NOW + 1));
        _revoke(newer);
        assertFalse(_isRevoked());
    }

    function test_revoke_issuer_reverts() public {
        Call memory c = _call("delegated");
        c.issuer = "none";
        vm.expectRevert(abi.encodeWithSelector(NvidiaCertificates.UnknownCertificate.selector, bytes32("none")));
        _revoke(c);
        c.issuer = _ids[0];
        vm.expectRevert(abi.encodeWithSelector(NvidiaOcsp.OcspIssuer.selector, _ids[0]));
        _revoke(c);
        // Neither the name of another authority nor another name for this one.
        c.issuer = _ids[3];
        vm.expectPartialRevert(NvidiaOcsp.OcspIssuerName.selector);
        _revoke(c);
        c.issuerName = _call("identity").issuerName;
        vm.expectPartialRevert(NvidiaOcsp.OcspIssuerName.selector);
        _revoke(c);
        Call memory identity = _call("identity");
        identity.response = c.response;
        vm.expectPartialRevert(NvidiaOcsp.OcspCertificate.selector);
        _revoke(identity);
        identity = _call("identity");
        vm.warp(1);
        vm.expectPartialRevert(X509.X509Validity.selector);
        _revoke(identity);
    }

    function test_revoke_form_reverts() public {
        string[4] memory names = ["sha256", "twoAnswers", "noAnswer", "criticalExtension"];
        bytes4[4] memory refusals =
            [Ocsp.OcspHash.selector, Der.DerTrailing.selector, Der.DerTruncated.selector, X509.X509Extension.selector];
        for (uint256 k; k < names.length; ++k) {
            Call memory c = _call(names[k]);
            vm.expectPartialRevert(refusals[k]);
            _revoke(c);
        }
        Call memory other = _call("withoutNextUpdate");
        vm.expectPartialRevert(Der.DerTruncated.selector);
        _revoke(other);
    }

    function test_revoke_withoutRole_reverts() public {
        _manager.revokeRole(2, address(_ocsp));
        Call memory c = _call("delegated");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(_ocsp)));
        _revoke(c);
    }

    /// @dev Every bit counts: those of the answer and of the responder's certificate.
    function testFuzz_revoke_flippedBit_reverts(uint256 bit) public {
        Call memory c = _delegated;
        bit = bit % (8 * c.response.length);
        c.response[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool success, bytes memory reason) = _try(c);
        assertFalse(success, "accepted");
        _typed(reason);
        assertFalse(_isRevoked());
    }

    function testFuzz_revoke_truncated_reverts(uint256 length, bytes memory tail) public {
        Call memory c = _byIssuer;
        c.response = bytes.concat(_slice(c.response, 0, length % c.response.length), tail);
        vm.assume(keccak256(c.response) != keccak256(_byIssuer.response));
        (bool success, bytes memory reason) = _try(c);
        assertFalse(success, "accepted");
        _typed(reason);
    }

    function testFuzz_parse_anyBytes_reverts(bytes memory data) public view {
        (bool success, bytes memory reason) = address(_harness).staticcall(abi.encodeCall(OcspHarness.parse, (data)));
        assertFalse(success);
        _typed(reason);
    }

    function test_snapshot_ocsp() public {
        Call memory c = _call("delegated");
        uint256 snapshot = vm.snapshotState();
        _revoke(c);
        vm.snapshotValue("attestation", "nvidiaOcspDelegated", vm.lastCallGas().gasTotalUsed);
        vm.revertToState(snapshot);
        c = _call("byIssuer");
        _revoke(c);
        vm.snapshotValue("attestation", "nvidiaOcspByIssuer", vm.lastCallGas().gasTotalUsed);
    }

    function _isRevoked() private view returns (bool) {
        Claims memory claims;
        claims.certificate = _ids[0];
        return _verifier.isRevoked(claims, "");
    }

    function _call(string memory name) private view returns (Call memory) {
        string memory at = string.concat(".answers.", name);
        return Call(
            vm.parseJsonBytes(_json, string.concat(at, ".response")),
            vm.parseJsonBytes32(_json, string.concat(at, ".issuer")),
            vm.parseJsonBytes(_json, string.concat(at, ".issuerName")),
            vm.parseJsonBytes(_json, string.concat(at, ".hints")),
            vm.parseJsonBytes(_json, string.concat(at, ".responderHints"))
        );
    }

    function _revoke(Call memory c) private {
        _ocsp.revoke(c.response, c.issuer, c.issuerName, c.hints, c.responderHints);
    }

    function _try(Call memory c) private returns (bool, bytes memory) {
        return address(_ocsp)
            .call(abi.encodeCall(NvidiaOcsp.revoke, (c.response, c.issuer, c.issuerName, c.hints, c.responderHints)));
    }

    function _typed(bytes memory reason) private pure {
        assertGe(reason.length, 4, "no reason");
        assertTrue(bytes4(reason) != 0x4e487b71, "panic");
    }

    function _slice(bytes memory data, uint256 start, uint256 end) private pure returns (bytes memory out) {
        out = new bytes(end - start);
        for (uint256 k; k < out.length; ++k) {
            out[k] = data[start + k];
        }
    }
}
