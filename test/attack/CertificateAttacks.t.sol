// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @title Attacks by way of Intel's certificates that strangers add
contract CertificateAttackTest is IntelStack {
    uint256 private constant OLD_SERIAL = 0x77;

    function setUp() public {
        vm.warp(Dev.NOW);
        _deploy(Dev.root());
        _feed(_devShared());
    }

    /// @dev The Platform CA's key in a certificate of its own, with another end.
    function _platformCa(uint256 serial, string memory notAfter) private pure returns (bytes memory) {
        Dev.Fields memory fields = Dev.fields(Dev.PLATFORM_CA, Dev.ROOT, bytes.concat(Dev.AUTHORITY, Dev.CERTIFIES));
        (fields.serial, fields.notAfter) = (serial, notAfter);
        return Dev.certificate(fields);
    }

    function _rootCrl(string memory thisUpdate, uint256 serial) private {
        _certificates.addCrl(Dev.crl(Dev.ROOT, thisUpdate, "260403112157Z", Dev.crlEntry(serial)), _certificates.ROOT());
    }

    // The root's certificate is signed by the root. Added as an authority below itself, under another name than the root's, it signed platforms.
    function test_addAuthority_theRootItself_reverts() public {
        bytes memory root = Dev.root();
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CertificateRole.selector, keccak256(Dev.name(Dev.ROOT)))
        );
        _certificates.addAuthority(root);
    }

    // Anybody put a revoked certificate of an authority's key, with a later end, in the place of the good one: all of its platforms were revoked, and
    // all live keys of theirs could be ended.
    function test_addAuthority_revoked_reverts() public {
        _deploy(Dev.root());
        Shared memory shared = _devShared();
        shared.authority = _platformCa(Dev.SERIAL, "300206232551Z");
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _rootCrl("250619112157Z", OLD_SERIAL);
        bytes memory old = _platformCa(OLD_SERIAL, "400206232551Z");
        vm.expectRevert(
            abi.encodeWithSelector(IntelCertificates.CertificateRevoked.selector, _certificates.ROOT(), OLD_SERIAL)
        );
        _certificates.addAuthority(old);
        assertFalse(_certificates.isPckRevoked(_pck));
        _certificates.platform(_pck);
    }

    // A revoked certificate with a late end kept the good one of the same key, with an earlier end, out for ever.
    function test_addAuthority_inTheRevokedOnesPlace_succeeds() public {
        _deploy(Dev.root());
        Shared memory shared = _devShared();
        shared.authority = _platformCa(OLD_SERIAL, "400206232551Z");
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _rootCrl("250619112157Z", OLD_SERIAL);
        assertTrue(_certificates.isPckRevoked(_pck));
        assertEq(_certificates.addAuthority(_platformCa(Dev.SERIAL, "300206232551Z")), _authority);
        assertFalse(_certificates.isPckRevoked(_pck));
        _certificates.platform(_pck);
    }
}
