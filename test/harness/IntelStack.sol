// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {DcapVerifier} from "src/attestation/DcapVerifier.sol";
import {IntelCertificates} from "src/attestation/IntelCertificates.sol";
import {IntelCollateral} from "src/attestation/IntelCollateral.sol";

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
        _certificates = new IntelCertificates(keccak256(root));
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
}
