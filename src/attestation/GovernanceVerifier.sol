// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {StatementVerifier} from "./StatementVerifier.sol";

/// @title Claims that governance vouches for, where no verifier can: for a start, or an outage
/// @notice Proves nothing of hardware: the lowest assurance.
contract GovernanceVerifier is StatementVerifier {
    /// @notice A key, or a contract that signs by EIP-1271.
    address public immutable VOUCHER;

    constructor(address voucher) StatementVerifier("GOVERNANCE") {
        VOUCHER = voucher;
    }

    function _requireVoucher(bytes32 digest, bytes calldata signature) internal view override {
        if (!SignatureChecker.isValidSignatureNow(VOUCHER, digest, signature)) revert NotAVoucher(VOUCHER);
    }
}
