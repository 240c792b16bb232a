// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Claims, IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";

/// @title Claims that somebody signs, instead of hardware
/// @notice Evidence: the claims (ten words, as `abi.encode` gives them), then a signature of `digestOf` them. No `aux`.
abstract contract StatementVerifier is IEvidenceVerifier {
    /// @notice The evidence is not the claims' one encoding with this verifier's kind, and a signature.
    error EvidenceEncoding();
    /// @notice Whoever signed may not vouch, or nobody did.
    error NotAVoucher(address signer);

    bytes32 private constant TAG = keccak256("OTR/statement/1");
    uint256 private constant CLAIMS_BYTES = 320;

    /// @inheritdoc IEvidenceVerifier
    bytes32 public immutable kind;

    constructor(bytes32 kind_) {
        kind = kind_;
    }

    /// @inheritdoc IEvidenceVerifier
    function verify(bytes calldata evidence, bytes calldata aux) external view returns (Claims memory claims) {
        // INVARIANT: whatever the bytes, what follows ends in a value or in a typed error.
        if (!_isEncoded(evidence) || aux.length != 0) revert EvidenceEncoding();
        claims = abi.decode(evidence[:CLAIMS_BYTES], (Claims));
        if (claims.kind != kind) revert EvidenceEncoding();
        _requireVoucher(digestOf(claims), evidence[CLAIMS_BYTES:]);
    }

    /// @notice What is signed: the claims, for this verifier on this chain.
    function digestOf(Claims memory claims) public view returns (bytes32) {
        return keccak256(abi.encode(TAG, block.chainid, address(this), claims));
    }

    /// @dev Reverts with `NotAVoucher` unless somebody who may vouch has signed.
    function _requireVoucher(bytes32 digest, bytes calldata signature) internal view virtual;

    /// @dev Whether the small numbers (`tcbStatus`, `tcbEval`, `notAfter`) fit their types.
    function _isEncoded(bytes calldata evidence) private pure returns (bool) {
        return evidence.length > CLAIMS_BYTES && uint256(bytes32(evidence[160:192])) <= type(uint8).max
            && uint256(bytes32(evidence[192:224])) <= type(uint32).max
            && uint256(bytes32(evidence[224:256])) <= type(uint64).max;
    }
}
