// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IProgramValidator, ValidationState} from "./interfaces/IProgramValidator.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Clock, Timestamp} from "./libraries/Clock.sol";
import {ProgramLib} from "./libraries/ProgramLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {ModelId, ModelManifest} from "./types/OtrTypes.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Model {
        Dimensions dimensions;
        bytes32 programRoot;
        bytes32 weightsRoot;
        bytes32 weightsRootP;
        bytes32 tokenizerHash;
        bytes32 chatTemplateHash;
        bytes32 tokenBytesRoot;
        IProgramValidator validator;
        ValidationState validation;
    }

    /// @custom:storage-location erc7201:otr.storage.ModelRegistry
    struct Layout {
        mapping(ModelId modelId => Model) models;
        mapping(uint32 machineVersion => IProgramValidator) validators;
    }

    // keccak256(abi.encode(uint256(keccak256("otr.storage.ModelRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant LAYOUT_SLOT = 0xb2a1f71e6ccafd1a478ec73c2708bed3deccd4ce775c15cabea448e73e412000;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets the authority. Once, by the proxy's construction.
    function initialize(address authority) external initializer {
        __AccessManaged_init(authority);
    }

    /// @inheritdoc IModelRegistry
    function registerModel(ModelManifest calldata manifest) external returns (ModelId modelId) {
        Layout storage $ = _layout();
        IProgramValidator validator = $.validators[manifest.machineVersion];
        if (address(validator) == address(0)) revert NoValidator(manifest.machineVersion);
        if (manifest.instructions == 0 || manifest.contextLength == 0 || manifest.vocabSize == 0) {
            revert EmptyManifest();
        }
        modelId = ModelId.wrap(keccak256(abi.encode(Tags.MODEL, manifest)));
        Model storage model = $.models[modelId];
        if (address(model.validator) != address(0)) revert ModelExists(modelId);
        model.dimensions = Dimensions({
            machineVersion: manifest.machineVersion,
            instructions: manifest.instructions,
            weightRows: manifest.weightRows,
            cacheRows: manifest.cacheRows,
            contextLength: manifest.contextLength,
            vocabSize: manifest.vocabSize,
            usableAt: Timestamp.wrap(0)
        });
        model.programRoot = manifest.programRoot;
        model.weightsRoot = manifest.weightsRoot;
        model.weightsRootP = manifest.weightsRootP;
        model.tokenizerHash = manifest.tokenizerHash;
        model.chatTemplateHash = manifest.chatTemplateHash;
        model.tokenBytesRoot = manifest.tokenBytesRoot;
        model.validator = validator;
        emit ModelRegistered(modelId, msg.sender, manifest);
    }

    /// @inheritdoc IModelRegistry
    function validateProgram(
        ModelId modelId,
        bytes calldata instructions,
        bytes calldata siblings,
        bytes calldata descriptors
    ) external {
        Model storage model = _known(modelId);
        if (model.dimensions.usableAt.isSet()) revert AlreadyValidated(modelId);
        uint32 count = _requireNext(model, instructions, siblings);
        ValidationState memory next = _validate(model, instructions, descriptors);
        next.count = count;
        model.validation = next;
        emit ProgramProgress(modelId, count);
        if (count == model.dimensions.instructions) {
            // INVARIANT: a usable model's numbers are its program's.
            if (!next.ended || next.cacheRows != model.dimensions.cacheRows) {
                revert ManifestMismatch(model.dimensions.cacheRows, next.cacheRows, next.ended);
            }
            model.dimensions.usableAt = Clock.current();
            emit ModelUsable(modelId, Clock.current());
        }
    }

    /// @inheritdoc IModelRegistry
    function setValidator(uint32 machineVersion, IProgramValidator validator) external restricted {
        _layout().validators[machineVersion] = validator;
        emit ValidatorSet(machineVersion, validator);
    }

    /// @inheritdoc IModelRegistry
    function validatorOf(uint32 machineVersion) external view returns (IProgramValidator) {
        return _layout().validators[machineVersion];
    }

    /// @inheritdoc IModelRegistry
    function dimensionsOf(ModelId modelId) external view returns (Dimensions memory) {
        return _layout().models[modelId].dimensions;
    }

    /// @inheritdoc IModelRegistry
    function manifestOf(ModelId modelId) external view returns (ModelManifest memory) {
        Model storage model = _layout().models[modelId];
        Dimensions memory dimensions = model.dimensions;
        return ModelManifest({
            machineVersion: dimensions.machineVersion,
            programRoot: model.programRoot,
            weightsRoot: model.weightsRoot,
            weightsRootP: model.weightsRootP,
            tokenizerHash: model.tokenizerHash,
            chatTemplateHash: model.chatTemplateHash,
            tokenBytesRoot: model.tokenBytesRoot,
            instructions: dimensions.instructions,
            weightRows: dimensions.weightRows,
            cacheRows: dimensions.cacheRows,
            contextLength: dimensions.contextLength,
            vocabSize: dimensions.vocabSize
        });
    }

    /// @inheritdoc IModelRegistry
    function programRootOf(ModelId modelId) external view returns (bytes32) {
        return _layout().models[modelId].programRoot;
    }

    /// @inheritdoc IModelRegistry
    function judgingOf(ModelId modelId) external view returns (Dimensions memory dimensions, bytes32 weightsRoot) {
        Model storage model = _layout().models[modelId];
        return (model.dimensions, model.weightsRoot);
    }

    /// @inheritdoc IModelRegistry
    function provingOf(ModelId modelId)
        external
        view
        returns (Dimensions memory dimensions, bytes32 programRoot, bytes32 weightsRootP)
    {
        Model storage model = _layout().models[modelId];
        return (model.dimensions, model.programRoot, model.weightsRootP);
    }

    /// @inheritdoc IModelRegistry
    function validationOf(ModelId modelId) external view returns (ValidationState memory) {
        return _layout().models[modelId].validation;
    }

    /// @inheritdoc IModelRegistry
    function isUsable(ModelId modelId) external view returns (bool) {
        return _layout().models[modelId].dimensions.usableAt.isSet();
    }

    /// @dev INVARIANT: what is validated is what the program root commits to, in order and without gaps.
    function _requireNext(Model storage model, bytes calldata instructions, bytes calldata siblings)
        private
        view
        returns (uint32 count)
    {
        bytes32[] memory leaves = ProgramLib.leaves(instructions);
        uint32 before = model.validation.count;
        uint32 total = model.dimensions.instructions;
        count = before + uint32(leaves.length);
        (bytes32 top, uint256 end) = BinaryTree.topOfRange(leaves, before, total, siblings, 0);
        BinaryTree.requireEnd(siblings, end);
        bytes32 root = BinaryTree.root(Tags.PROGRAM, total, top);
        if (root != model.programRoot) revert ProgramRoot(model.programRoot, root);
    }

    function _validate(Model storage model, bytes calldata instructions, bytes calldata descriptors)
        private
        view
        returns (ValidationState memory)
    {
        return model.validator
            .validate(
                model.validation, instructions, descriptors, model.dimensions.weightRows, model.dimensions.contextLength
            );
    }

    function _known(ModelId modelId) private view returns (Model storage model) {
        model = _layout().models[modelId];
        if (address(model.validator) == address(0)) revert UnknownModel(modelId);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _layout() private pure returns (Layout storage $) {
        // SAFETY: a namespaced slot (ERC-7201); nothing else is written.
        assembly ("memory-safe") {
            $.slot := LAYOUT_SLOT
        }
    }
}
