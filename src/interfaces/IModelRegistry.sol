// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Timestamp} from "../libraries/Clock.sol";
import {ModelId, ModelManifest} from "../types/OtrTypes.sol";
import {IProgramValidator, ValidationState} from "./IProgramValidator.sol";

/// @title Models that can be judged
/// @notice Anyone registers a model; it becomes usable once its whole program has passed the validator of its machine version,
///         chunk by chunk. A usable model stays usable.
interface IModelRegistry {
    /// @notice No validator is installed for this machine version.
    error NoValidator(uint32 machineVersion);
    /// @notice The model is registered already.
    error ModelExists(ModelId modelId);
    /// @notice No such model.
    error UnknownModel(ModelId modelId);
    /// @notice A count of the manifest is zero that must not be.
    error EmptyManifest();
    /// @notice The program has passed already.
    error AlreadyValidated(ModelId modelId);
    /// @notice Instructions come in whole numbers of 128 bytes, at least one.
    error InstructionBytes(uint256 length);
    /// @notice The instructions do not lead to the model's program root.
    error ProgramRoot(bytes32 expected, bytes32 got);
    /// @notice The program does not have what the manifest says.
    error ManifestMismatch(uint32 expectedCacheRows, uint32 gotCacheRows, bool ended);

    /// @notice A manifest was registered.
    event ModelRegistered(ModelId indexed modelId, address indexed registrar, ModelManifest manifest);
    /// @notice `count` of the program's instructions have passed.
    event ProgramProgress(ModelId indexed modelId, uint32 count);
    /// @notice The whole program has passed: the model is usable.
    event ModelUsable(ModelId indexed modelId, Timestamp at);
    /// @notice The validator for models registered from now on.
    event ValidatorSet(uint32 indexed machineVersion, IProgramValidator validator);

    /// @notice The numbers of a model, in one storage slot.
    struct Dimensions {
        uint32 machineVersion;
        uint32 instructions;
        uint32 weightRows;
        uint32 cacheRows;
        uint32 contextLength;
        uint32 vocabSize;
        Timestamp usableAt;
    }

    /// @notice Registers a model.
    /// @return modelId `H(TAG("OTR/model/1"), manifest)`.
    function registerModel(ModelManifest calldata manifest) external returns (ModelId modelId);

    /// @notice Validates the next instructions of a model's program. Anyone may.
    /// @param instructions Whole instructions, 128 bytes each, following those validated so far.
    /// @param siblings Siblings of their range opening in the program tree, 32 bytes each.
    /// @param descriptors Descriptors of the rows so far (`IProgramValidator`).
    function validateProgram(
        ModelId modelId,
        bytes calldata instructions,
        bytes calldata siblings,
        bytes calldata descriptors
    ) external;

    /// @notice Installs the validator of a machine version. Models under way keep theirs. Governance only.
    function setValidator(uint32 machineVersion, IProgramValidator validator) external;

    /// @notice The validator that new models of a machine version get.
    function validatorOf(uint32 machineVersion) external view returns (IProgramValidator);

    /// @notice A model's numbers; all zero if it is unknown.
    function dimensionsOf(ModelId modelId) external view returns (Dimensions memory);

    /// @notice A model's manifest; all zero if it is unknown.
    function manifestOf(ModelId modelId) external view returns (ModelManifest memory);

    /// @notice Root of a model's program tree.
    function programRootOf(ModelId modelId) external view returns (bytes32);

    /// @notice What judging a step of a model needs: its numbers and the root of its weights tree.
    function judgingOf(ModelId modelId) external view returns (Dimensions memory dimensions, bytes32 weightsRoot);

    /// @notice What proofs about a step of a model need: its numbers and the roots of its program and of its weights for circuits.
    function provingOf(ModelId modelId)
        external
        view
        returns (Dimensions memory dimensions, bytes32 programRoot, bytes32 weightsRootP);

    /// @notice How far the validation of a model's program has come.
    function validationOf(ModelId modelId) external view returns (ValidationState memory);

    /// @notice Whether the model's whole program has passed.
    function isUsable(ModelId modelId) external view returns (bool);
}
