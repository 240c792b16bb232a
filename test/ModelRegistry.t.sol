// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {IProgramValidator, ValidationState} from "src/interfaces/IProgramValidator.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ModelId, ModelManifest} from "src/types/OtrTypes.sol";
import {OtrTest} from "./utils/OtrTest.sol";
import {Trees} from "./utils/Trees.sol";

contract ModelRegistryTest is OtrTest {
    using Trees for Trees.Tree;

    /// @dev The same program under another manifest.
    function _other() private view returns (ModelManifest memory other) {
        other = manifest;
        other.weightsRoot = keccak256("other weights");
    }

    function _slice(uint256 from, uint256 to) private view returns (bytes memory out) {
        for (uint256 i = from; i < to; ++i) {
            out = bytes.concat(out, program[i]);
        }
    }

    function _validate(ModelId id, uint256 from, uint256 to) private {
        Trees.Tree memory tree = programTree;
        models.validateProgram(id, _slice(from, to), tree.range(from, to - 1), new bytes(8 * from));
    }

    function test_registerModel_idAsSpecified_succeeds() public {
        ModelManifest memory m = _other();
        bytes32 expected = keccak256(
            bytes.concat(
                abi.encode(keccak256("OTR/model/1"), m.machineVersion, m.programRoot, m.weightsRoot, m.weightsRootP),
                abi.encode(m.tokenizerHash, m.chatTemplateHash, m.tokenBytesRoot, m.instructions, m.weightRows),
                abi.encode(m.cacheRows, m.contextLength, m.vocabSize)
            )
        );
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelRegistered(ModelId.wrap(expected), stranger, m);
        vm.prank(stranger);
        ModelId id = models.registerModel(m);
        assertEq(ModelId.unwrap(id), expected);
        assertEq(keccak256(abi.encode(models.manifestOf(id))), keccak256(abi.encode(m)), "manifest");
        assertFalse(models.isUsable(id));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelExists.selector, id));
        models.registerModel(m);
    }

    function test_registerModel_noValidator_reverts() public {
        ModelManifest memory m = _other();
        m.machineVersion = 8;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NoValidator.selector, 8));
        models.registerModel(m);
    }

    function test_registerModel_emptyManifest_reverts() public {
        ModelManifest memory m = _other();
        m.instructions = 0;
        vm.expectRevert(IModelRegistry.EmptyManifest.selector);
        models.registerModel(m);
        m = _other();
        m.contextLength = 0;
        vm.expectRevert(IModelRegistry.EmptyManifest.selector);
        models.registerModel(m);
        m = _other();
        m.vocabSize = 0;
        vm.expectRevert(IModelRegistry.EmptyManifest.selector);
        models.registerModel(m);
    }

    function testFuzz_validateProgram_anyChunks_succeeds(uint256 seed) public {
        ModelId id = models.registerModel(_other());
        uint256 at;
        while (at < program.length) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 end = at + 1 + seed % (program.length - at);
            assertFalse(models.isUsable(id));
            _validate(id, at, end);
            assertEq(models.validationOf(id).count, end);
            at = end;
        }
        assertTrue(models.isUsable(id));
        assertEq(models.programRootOf(id), manifest.programRoot);
        (IModelRegistry.Dimensions memory dimensions, bytes32 root) = models.judgingOf(id);
        assertEq(root, keccak256("other weights"));
        assertEq(dimensions.instructions, 40);
        bytes32[2] memory roots;
        (dimensions, roots[0], roots[1]) = models.provingOf(id);
        assertEq(keccak256(abi.encode(dimensions)), keccak256(abi.encode(models.dimensionsOf(id))));
        assertEq(roots[0], manifest.programRoot);
        assertEq(roots[1], manifest.weightsRootP);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyValidated.selector, id));
        _validate(id, 0, 1);
    }

    function test_validateProgram_unknownModel_reverts() public {
        ModelId id = ModelId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, id));
        models.validateProgram(id, _slice(0, 1), "", "");
    }

    function test_validateProgram_notNext_reverts() public {
        ModelId id = models.registerModel(_other());
        _validate(id, 0, 2);
        Trees.Tree memory tree = programTree;
        bytes memory siblings = tree.range(3, 3);
        bytes memory instruction = program[3];
        vm.expectPartialRevert(IModelRegistry.ProgramRoot.selector);
        models.validateProgram(id, instruction, siblings, new bytes(16));
    }

    function test_validateProgram_changedInstruction_reverts() public {
        ModelId id = models.registerModel(_other());
        bytes memory all = _slice(0, program.length);
        all[200] ^= 0x01;
        vm.expectPartialRevert(IModelRegistry.ProgramRoot.selector);
        models.validateProgram(id, all, "", "");
    }

    function test_validateProgram_partialInstruction_reverts() public {
        ModelId id = models.registerModel(_other());
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InstructionBytes.selector, 127));
        models.validateProgram(id, new bytes(127), "", "");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InstructionBytes.selector, 0));
        models.validateProgram(id, "", "", "");
    }

    function test_validateProgram_beyondEnd_reverts() public {
        ModelId id = models.registerModel(_other());
        bytes memory tooMany = bytes.concat(_slice(0, program.length), program[0]);
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, 41, 40));
        models.validateProgram(id, tooMany, "", "");
    }

    function test_validateProgram_siblingsLeftOver_reverts() public {
        ModelId id = models.registerModel(_other());
        bytes memory all = _slice(0, program.length);
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.OpeningTooLong.selector, 0, 32));
        models.validateProgram(id, all, new bytes(32), "");
    }

    function test_validateProgram_cacheRowsDiffer_reverts() public {
        ModelManifest memory m = _other();
        m.cacheRows = 3;
        ModelId id = models.registerModel(m);
        bytes memory all = _slice(0, program.length);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ManifestMismatch.selector, 3, 2, true));
        models.validateProgram(id, all, "", "");
    }

    function test_validateProgram_noTokenRow_reverts() public {
        // The program without its end.
        bytes32[] memory leaves = new bytes32[](5);
        for (uint256 i; i < 5; ++i) {
            leaves[i] = keccak256(abi.encodePacked(Tags.INSTRUCTION, program[i]));
        }
        ModelManifest memory m = _other();
        m.instructions = 5;
        m.programRoot = Trees.over(leaves).root(Tags.PROGRAM);
        ModelId id = models.registerModel(m);
        bytes memory all = _slice(0, 5);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ManifestMismatch.selector, 2, 2, false));
        models.validateProgram(id, all, "", "");
    }

    function test_validateProgram_validatorRefuses_reverts() public {
        ModelId id = models.registerModel(_other());
        vm.mockCallRevert(
            address(d.validator),
            abi.encodeWithSelector(IProgramValidator.validate.selector),
            abi.encodeWithSelector(IProgramValidator.InvalidInstruction.selector, 3, bytes32("rule"))
        );
        bytes memory all = _slice(0, program.length);
        vm.expectRevert(abi.encodeWithSelector(IProgramValidator.InvalidInstruction.selector, 3, bytes32("rule")));
        models.validateProgram(id, all, "", "");
    }

    function test_setValidator_keepsModelsUnderWay_succeeds() public {
        ModelId id = models.registerModel(_other());
        vm.prank(governance);
        models.setValidator(7, IProgramValidator(stranger));
        _validate(id, 0, program.length);
        assertTrue(models.isUsable(id));
    }

    function test_governance_stranger_reverts() public {
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unauthorised);
        models.setValidator(7, IProgramValidator(stranger));
        vm.expectRevert(unauthorised);
        models.upgradeToAndCall(stranger, "");
    }

    function test_upgrade_byGovernance_succeeds() public {
        address next = address(new ModelRegistry());
        vm.prank(governance);
        models.upgradeToAndCall(next, "");
        assertTrue(models.isUsable(modelId));
    }
}
