// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {DrawnPair, DrawnStep} from "src/interfaces/IElementVerifier.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {ElementVerifier} from "src/spotcheck/ElementVerifier.sol";
import {ModelId, ReceiptHash, RequestHash} from "src/types/OtrTypes.sol";
import {ModelsHarness} from "../harness/ModelsHarness.sol";

/// @title Answers that TypeScript made to draws of every instruction of one step, with proofs (`ts/circuits/answer-vectors.ts`), and their verifier
abstract contract AnswersTest is Test {
    struct Answer {
        string name;
        DrawnPair pair;
        bytes opening;
        bytes[] proofs;
    }

    uint256 internal constant BLOCKS = 1;

    ModelsHarness internal _models;
    ElementVerifier internal _verifier;
    IModelRegistry.Dimensions internal _dimensions;
    bytes32 internal _programRoot;
    bytes32 internal _weightsRoot;
    bytes[6] internal _keys;
    DrawnStep internal _step;
    Answer[] internal _answers;

    function setUp() public virtual {
        string memory json = vm.readFile("test/vectors/answers.json");
        bytes[] memory keys = vm.parseJsonBytesArray(json, ".keys");
        for (uint256 k; k < 6; ++k) {
            _keys[k] = keys[k];
        }
        _models = new ModelsHarness();
        _verifier = new ElementVerifier(IModelRegistry(address(_models)), _keys, BLOCKS, true);
        _dimensions.machineVersion = 1;
        _dimensions.instructions = uint32(vm.parseJsonUint(json, ".model.instructions"));
        _dimensions.cacheRows = uint32(vm.parseJsonUint(json, ".model.cacheRows"));
        _dimensions.usableAt = Timestamp.wrap(1);
        _programRoot = vm.parseJsonBytes32(json, ".model.programRoot");
        _weightsRoot = vm.parseJsonBytes32(json, ".model.weightsRootP");
        _readStep(json);
        _register();
        for (uint256 k; vm.keyExistsJson(json, _at(k, "name")); ++k) {
            Answer storage answer = _answers.push();
            answer.name = vm.parseJsonString(json, _at(k, "name"));
            answer.pair.pair = vm.parseJsonUint(json, _at(k, "pair"));
            answer.pair.value = vm.parseJsonBytes32(json, _at(k, "value"));
            answer.pair.statesRoot = vm.parseJsonBytes32(json, _at(k, "statesRoot"));
            answer.pair.blockValue = vm.parseJsonBytes32(json, _at(k, "blockValue"));
            answer.opening = vm.parseJsonBytes(json, _at(k, "opening"));
            answer.proofs = vm.parseJsonBytesArray(json, _at(k, "proofs"));
        }
    }

    function _readStep(string memory json) internal {
        _step.modelId = ModelId.wrap(vm.parseJsonBytes32(json, ".step.modelId"));
        _step.receiptHash = ReceiptHash.wrap(vm.parseJsonBytes32(json, ".step.receiptHash"));
        _step.requestHash = RequestHash.wrap(vm.parseJsonBytes32(json, ".step.requestHash"));
        _step.inputRoot = vm.parseJsonBytes32(json, ".step.inputRoot");
        _step.outputRoot = vm.parseJsonBytes32(json, ".step.outputRoot");
        _step.traceRoot = vm.parseJsonBytes32(json, ".step.traceRoot");
        _step.nIn = uint32(vm.parseJsonUint(json, ".step.nIn"));
        _step.nOut = uint32(vm.parseJsonUint(json, ".step.nOut"));
        _step.step = uint32(vm.parseJsonUint(json, ".step.step"));
        _step.stepRoot = uint256(vm.parseJsonBytes32(json, ".step.stepRoot"));
    }

    function _at(uint256 k, string memory field) internal pure returns (string memory) {
        return string.concat(".cases[", vm.toString(k), "].", field);
    }

    function _register() internal {
        _models.set(_step.modelId, _dimensions, _programRoot, _weightsRoot);
    }

    function _numberOf(string memory name) internal view returns (uint256 k) {
        while (keccak256(bytes(_answers[k].name)) != keccak256(bytes(name))) ++k;
    }

    function _pairs(uint256 k) internal view returns (DrawnPair[] memory pairs) {
        pairs = new DrawnPair[](1);
        pairs[0] = _answers[k].pair;
    }

    /// @dev One step of which these pairs are asked.
    function _asked(DrawnStep memory step, DrawnPair[] memory pairs) internal pure returns (DrawnStep[] memory steps) {
        steps = new DrawnStep[](1);
        step.pairs = pairs;
        steps[0] = step;
    }

    function _asked(uint256 k) internal view returns (DrawnStep[] memory) {
        return _asked(_step, _pairs(k));
    }

    function _openings(uint256 k) internal view returns (bytes[] memory openings) {
        openings = new bytes[](1);
        openings[0] = _answers[k].opening;
    }

    function _proofs(uint256 k) internal view returns (bytes memory proofs) {
        for (uint256 i; i < _answers[k].proofs.length; ++i) {
            proofs = bytes.concat(proofs, _answers[k].proofs[i]);
        }
    }
}
