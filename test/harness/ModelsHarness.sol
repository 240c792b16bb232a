// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {ModelId} from "src/types/OtrTypes.sol";

/// @title What a model registry says of models to those who check proofs, without a program to validate
contract ModelsHarness {
    struct Model {
        IModelRegistry.Dimensions dimensions;
        bytes32 programRoot;
        bytes32 weightsRootP;
    }

    mapping(ModelId modelId => Model) private _models;

    function set(
        ModelId modelId,
        IModelRegistry.Dimensions calldata dimensions,
        bytes32 programRoot,
        bytes32 weightsRootP
    ) external {
        _models[modelId] = Model(dimensions, programRoot, weightsRootP);
    }

    function provingOf(ModelId modelId)
        external
        view
        returns (IModelRegistry.Dimensions memory dimensions, bytes32 programRoot, bytes32 weightsRootP)
    {
        Model storage model = _models[modelId];
        return (model.dimensions, model.programRoot, model.weightsRootP);
    }
}
