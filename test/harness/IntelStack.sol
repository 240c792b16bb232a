// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";
import {DevCertificates as Dev} from "./DevCertificates.sol";

/// @notice The contracts that verify quotes, and what they are fed with.
abstract contract IntelStack is Test {
    /// @notice Certificates and lists that are the same for all platforms of an authority.
    struct Shared {
        bytes root;
        bytes signer;
        bytes authority;
        bytes rootCrl;
        bytes pckCrl;
    }

    IntelCertificates internal _certificates;
    IntelCollateral internal _collateral;
    bytes32 internal _authority;
    bytes32 internal _signer;
    bytes32 internal _pck;

    function _deploy(bytes memory root) internal {
        _certificates = new IntelCertificates(keccak256(root), keccak256(Dev.name(Dev.SIGNER)));
        _collateral = new IntelCollateral(_certificates);
        _certificates.addRoot(root);
    }

    function _feed(Shared memory chain) internal {
        _signer = _certificates.addSigner(chain.signer);
        _authority = _certificates.addAuthority(chain.authority);
        _certificates.addCrl(chain.rootCrl, _certificates.ROOT());
        _certificates.addCrl(chain.pckCrl, _authority);
    }

    /// @dev 12 months until a number is current, 30 days of grace.
    function _policy() internal pure returns (DcapVerifier.Policy memory) {
        return DcapVerifier.Policy({
            minTcbEval: 17, promotionDelay: 365 days, grace: 30 days, maxAge: 0, acceptConfiguration: false
        });
    }

    function _verifier(bytes32 tee) internal returns (DcapVerifier) {
        return new DcapVerifier(_collateral, _policy(), tee);
    }

    function _aux(uint256 tcbEval) internal view returns (bytes memory) {
        return abi.encode(_pck, tcbEval);
    }

    /// @dev Certificates and lists of the development root, valid at `Dev.NOW`; the lists have one entry and none.
    function _devShared() internal pure returns (Shared memory) {
        return Shared({
            root: Dev.root(),
            signer: Dev.tcbSigner(),
            authority: Dev.platformCa(),
            rootCrl: Dev.crl(Dev.ROOT, "250320112157Z", "260403112157Z", ""),
            pckCrl: Dev.crl(Dev.PLATFORM_CA, Dev.CRL_FROM, Dev.CRL_UNTIL, Dev.crlEntry(0x99))
        });
    }

    function _submitTcbInfo(string memory json) internal {
        _collateral.submitTcbInfo(bytes(json), Dev.sign(Dev.SIGNER, bytes(json)), _signer);
    }

    function _submitQeIdentity(string memory json) internal {
        _collateral.submitQeIdentity(bytes(json), Dev.sign(Dev.SIGNER, bytes(json)), _signer);
    }

    function _submitEvaluation(string memory json) internal {
        _collateral.submitTcbEvaluation(bytes(json), Dev.sign(Dev.SIGNER, bytes(json)), _signer);
    }
}
