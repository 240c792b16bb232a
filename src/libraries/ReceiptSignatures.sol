// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IOtrRollup} from "../interfaces/IOtrRollup.sol";
import {Receipt, ReceiptHash} from "../types/OtrTypes.sol";
import {Signatures} from "./Signatures.sol";

/// @title The two signatures that make a receipt (docs/protocol.md, section 2)
library ReceiptSignatures {
    /// @notice Reverts unless both the enclave key and the operator that the receipt names signed it.
    function requireSigned(
        Receipt calldata receipt,
        ReceiptHash receiptHash,
        bytes calldata enclaveSignature,
        bytes calldata operatorSignature
    ) internal view {
        bytes32 digest = ReceiptHash.unwrap(receiptHash);
        // INVARIANT: neither a stolen enclave key nor the operator key alone makes a receipt.
        address signer = ECDSA.recover(digest, enclaveSignature);
        if (signer != receipt.enclaveKey) revert IOtrRollup.EnclaveSignature(receipt.enclaveKey, signer);
        if (!Signatures.isBy(receipt.executor, digest, operatorSignature)) {
            revert IOtrRollup.OperatorSignature(receipt.executor);
        }
    }
}
