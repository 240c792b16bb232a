// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {BadInput} from "../harness/BadInput.sol";
import {DevCertificates as Dev} from "../harness/DevCertificates.sol";
import {DevCollateral} from "../harness/DevCollateral.sol";
import {DevQuotes} from "../harness/DevQuotes.sol";
import {IntelStack} from "../harness/IntelStack.sol";

/// @notice Every signed byte of Intel's formats, under a development root. Real ones: `RealIntel.t.sol`; NVIDIA's: `NvidiaVerifier.t.sol`.
contract BadInputTest is IntelStack, BadInput {
    /// @dev Quotes, lists and documents of any size that Intel has had.
    uint256 private constant MOST_ENTRIES = 129;

    DcapVerifier private _tdx;
    DcapVerifier private _sgx;

    function setUp() public {
        vm.warp(Dev.NOW);
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _feed(shared);
        _pck = _certificates.addPck(Dev.pck(), _authority);
        _submitTcbInfo(DevCollateral.tcbInfo(DevCollateral.info("TDX", 17)));
        _submitTcbInfo(DevCollateral.tcbInfo(DevCollateral.info("SGX", 17)));
        _submitQeIdentity(DevCollateral.qeIdentity("TD_QE", 17, 4, "UpToDate"));
        _submitQeIdentity(DevCollateral.qeIdentity("QE", 17, 4, "UpToDate"));
        _tdx = _verifier("TDX");
        _sgx = _verifier("SGX");
    }

    function test_quote_tdx4_reverts() public {
        _refusesBadQuotes(_tdx, DevQuotes.quote(DevQuotes.shape(4, 584)));
    }

    function test_quote_tdx5_reverts() public {
        _refusesBadQuotes(_tdx, DevQuotes.quote(DevQuotes.shape(5, 584)));
    }

    function test_quote_tdx15_reverts() public {
        _refusesBadQuotes(_tdx, DevQuotes.quote(DevQuotes.shape(5, 648)));
    }

    function test_quote_sgx3_reverts() public {
        _refusesBadQuotes(_sgx, DevQuotes.quote(DevQuotes.shape(3, 384)));
    }

    function test_tcbInfo_reverts() public {
        _refusesBadDocument(
            IntelCollateral.submitTcbInfo.selector, DevCollateral.tcbInfo(DevCollateral.info("TDX", 18))
        );
        _refusesBadDocument(
            IntelCollateral.submitTcbInfo.selector, DevCollateral.tcbInfo(DevCollateral.info("SGX", 18))
        );
    }

    function test_qeIdentity_reverts() public {
        bytes4 submit = IntelCollateral.submitQeIdentity.selector;
        _refusesBadDocument(submit, DevCollateral.qeIdentity("TD_QE", 18, 4, "UpToDate"));
        _refusesBadDocument(submit, DevCollateral.qeIdentity("QE", 18, 4, "UpToDate"));
    }

    function test_tcbEvaluation_reverts() public {
        _refusesBadDocument(
            IntelCollateral.submitTcbEvaluation.selector,
            DevCollateral.evaluation("TDX", "2025-06-05T01:31:32Z", "2025-07-05T01:31:32Z")
        );
    }

    function test_crl_reverts() public {
        bytes memory entries;
        for (uint256 k; k < MOST_ENTRIES; ++k) {
            entries = bytes.concat(entries, Dev.crlEntry((1 << 158) + k));
        }
        bytes memory list = Dev.crl(Dev.PLATFORM_CA, "250620000000Z", Dev.CRL_UNTIL, entries);
        _refusesBad(abi.encodeCall(IntelCertificates.addCrl, (list, _authority)));
        _refusesBad(abi.encodeCall(IntelCertificates.revoke, (list, _authority, 0, MOST_ENTRIES)));
        list = bytes.concat(list, hex"00");
        _refuses(address(_certificates), abi.encodeCall(IntelCertificates.addCrl, (list, _authority)), list.length);
        assertFalse(_certificates.isRevoked(_authority, 1 << 158));
    }

    function test_certificates_reverts() public {
        Shared memory shared = _devShared();
        _deploy(shared.root);
        _authority = _certificates.addAuthority(shared.authority);
        _refusesBad(abi.encodeCall(IntelCertificates.addPck, (Dev.pck(), _authority)));
        _refusesBad(abi.encodeCall(IntelCertificates.addSigner, (shared.signer)));
        _certificates = new IntelCertificates(keccak256(shared.root), keccak256(Dev.name(Dev.SIGNER)));
        _refusesBad(abi.encodeCall(IntelCertificates.addRoot, (shared.root)));
        _certificates.addRoot(shared.root);
        _refusesBad(abi.encodeCall(IntelCertificates.addAuthority, (shared.authority)));
    }

    /// @dev Nobody reads the certificates inside a quote.
    function _refusesBadQuotes(DcapVerifier verifier, bytes memory quote) private {
        bytes memory call = abi.encodeCall(DcapVerifier.verify, (quote, _aux(17)));
        verifier.verify(quote, _aux(17));
        _refusesFlips(address(verifier), call, 0, 0, quote.length - DevQuotes.PEM_BYTES);
        _refusesCuts(address(verifier), call, 0);
        // The certificate's name and the number in `aux`, and its length.
        _refusesFlips(address(verifier), call, 1);
        _refusesCuts(address(verifier), call, 1);
    }

    function _refusesBadDocument(bytes4 submit, string memory json) private {
        bytes memory signature = Dev.sign(Dev.SIGNER, bytes(json));
        bytes memory call = abi.encodeWithSelector(submit, bytes(json), signature, _signer);
        for (uint256 argument; argument < 2; ++argument) {
            _refusesFlips(address(_collateral), call, argument);
            _refusesCuts(address(_collateral), call, argument);
        }
        bytes memory longer = bytes.concat(bytes(json), " ");
        _refuses(address(_collateral), abi.encodeWithSelector(submit, longer, signature, _signer), longer.length);
        // What was changed is whole again.
        (bool success,) = address(_collateral).call(call);
        assertTrue(success, "genuine");
    }

    /// @dev A certificate or list as first argument.
    function _refusesBad(bytes memory call) private {
        _refusesFlips(address(_certificates), call, 0);
        _refusesCuts(address(_certificates), call, 0);
    }
}
