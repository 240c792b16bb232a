// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IEnclaveRegistry} from "../interfaces/IEnclaveRegistry.sol";
import {Assurance} from "../libraries/Assurance.sol";
import {ModelId} from "../types/OtrTypes.sol";
import {StatementVerifier} from "./StatementVerifier.sol";

/// @title Claims that a verifier enclave has checked, for renewals and machines with many GPUs
/// @notice A verifier enclave is registered as any other, for the model id `MODEL`: policies of that id name its images.
contract EnclaveVerifier is StatementVerifier {
    /// @notice Stands for "verifies evidence" where other enclaves have a model.
    ModelId public constant MODEL = ModelId.wrap(keccak256("OTR/verifier-enclave/1"));
    /// @notice Knows verifier enclaves.
    IEnclaveRegistry public immutable REGISTRY;

    constructor(IEnclaveRegistry registry) StatementVerifier("VERIFIER_ENCLAVE") {
        REGISTRY = registry;
    }

    function _requireVoucher(bytes32 digest, bytes calldata signature) internal view override {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        // INVARIANT: a verifier enclave's own hardware was verified by a contract: no chain of enclaves vouches for the next.
        if (
            !REGISTRY.isActive(signer, REGISTRY.enclaveOf(signer).executor, MODEL)
                || REGISTRY.standingOf(signer).assurance < Assurance.CPU_ON_CHAIN
        ) revert NotAVoucher(signer);
    }
}
