// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Trees} from "./utils/Trees.sol";
import {Config, Deploy, Deployment} from "script/Deploy.s.sol";
import {
    GameId,
    IDisputeGame,
    OpenedElement,
    OpenedInstruction,
    OpenedRow,
    Record,
    Subject
} from "src/interfaces/IDisputeGame.sol";
import {IJudge} from "src/interfaces/IJudge.sol";
import {BatchId, CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {KIND_ROW, KIND_TOKEN, KIND_WEIGHTS, ROLE_TOKEN} from "src/machine/Instruction.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {ModelId, ModelManifest, Receipt as OtrReceipt, ReceiptHash, Request} from "src/types/OtrTypes.sol";

/// @notice Whole games with JudgeV1 and ProgramValidatorV1, as the deployment script installs them, on the smallest program that
///         passes: embed, fold_sumsq, draw.
contract RealJudgeTest is Test {
    using Trees for Trees.Tree;

    uint32 private constant WIDTH = 8;
    uint32 private constant VOCABULARY = 4;
    uint32 private constant STEP = 1;
    uint32 private constant TOKEN = 2;
    bytes32 private constant SALT = keccak256("salt");

    Deployment private d;
    bytes[3] private _program;
    bytes[5] private _weights;
    bytes[3] private _rows;
    ModelId private _modelId;
    address private _executor = makeAddr("executor");
    address private _challenger = makeAddr("challenger");
    Subject private _subject;
    GameId private _gameId;

    function setUp() public {
        vm.warp(1_800_000_000);
        Deploy script = new Deploy();
        Config memory config = script.configFromEnvironment(address(script));
        d = script.deploy(config, address(script));
        _program[0] = _instruction(
            Opcodes.EMBED,
            ElementTypes.I32,
            0,
            WIDTH,
            bytes.concat(
                _operand(uint8(KIND_TOKEN), 0, 0, 0, 0),
                _operand(uint8(KIND_WEIGHTS), ElementTypes.I8, 0, WIDTH, VOCABULARY),
                _operand(uint8(KIND_WEIGHTS), ElementTypes.I32, VOCABULARY, VOCABULARY, 1)
            ),
            abi.encodePacked(int32(2), int32(24))
        );
        _program[1] = _instruction(
            Opcodes.FOLD_SUMSQ, ElementTypes.I64, 0, 1, _operand(uint8(KIND_ROW), ElementTypes.I32, 0, WIDTH, 0), ""
        );
        _program[2] = _instruction(
            Opcodes.DRAW,
            ElementTypes.I64,
            uint8(ROLE_TOKEN),
            2,
            _operand(uint8(KIND_ROW), ElementTypes.I64, 1, 1, 0),
            ""
        );
        for (uint256 token; token < VOCABULARY; ++token) {
            for (uint256 e; e < WIDTH; ++e) {
                _weights[token] = bytes.concat(_weights[token], bytes1(uint8(7 * token + e)));
            }
            _weights[4] = bytes.concat(_weights[4], _little(int256(100 + token), 4));
        }
        _register();
        _honestRows();
        vm.deal(_executor, 1 ether);
        vm.deal(_challenger, 1 ether);
        vm.prank(_executor);
        d.vault.deposit{value: 1 ether}(_executor);
        vm.warp(block.timestamp + 1);
    }

    // ---------------------------------------------------------------- the program

    function _operand(uint8 kind, uint8 elementType, uint32 index, uint32 length, uint32 count)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(kind, elementType, uint16(0), index, length, count);
    }

    function _instruction(
        uint8 opcode,
        uint8 outType,
        uint8 role,
        uint32 length,
        bytes memory operands,
        bytes memory parameters
    ) private pure returns (bytes memory out) {
        out = bytes.concat(abi.encodePacked(opcode, outType, uint8(0), role, length), new bytes(24), operands);
        out = bytes.concat(out, new bytes(96 - out.length), parameters);
        out = bytes.concat(out, new bytes(128 - out.length));
    }

    function _little(int256 value, uint256 size) private pure returns (bytes memory out) {
        for (uint256 i; i < size; ++i) {
            out = bytes.concat(out, bytes1(uint8(uint256(value) >> (8 * i))));
        }
    }

    function _rowLeaf(uint8 elementType, uint32 length, bytes memory data) private pure returns (bytes32) {
        return keccak256(abi.encode(Tags.ROW, elementType, length, sha256(abi.encode(bytes32(data)))));
    }

    function _programTree() private view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](3);
        for (uint256 i; i < 3; ++i) {
            leaves[i] = keccak256(abi.encodePacked(Tags.INSTRUCTION, _program[i]));
        }
        return Trees.over(leaves);
    }

    function _weightsTree() private view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](5);
        for (uint256 i; i < 4; ++i) {
            leaves[i] = _rowLeaf(ElementTypes.I8, WIDTH, _weights[i]);
        }
        leaves[4] = _rowLeaf(ElementTypes.I32, VOCABULARY, _weights[4]);
        return Trees.over(leaves);
    }

    function _register() private {
        ModelManifest memory manifest;
        manifest.machineVersion = 1;
        manifest.programRoot = _programTree().root(Tags.PROGRAM);
        manifest.weightsRoot = _weightsTree().root(Tags.WEIGHTS);
        manifest.instructions = 3;
        manifest.weightRows = 5;
        manifest.contextLength = 16;
        manifest.vocabSize = VOCABULARY;
        _modelId = d.models.registerModel(manifest);
        // In two chunks: descriptors of the first are handed to the second.
        Trees.Tree memory tree = _programTree();
        d.models.validateProgram(_modelId, _program[0], tree.range(0, 0), "");
        bytes memory descriptor = abi.encodePacked(ElementTypes.I32, uint8(0), uint8(0), uint8(0), WIDTH);
        d.models.validateProgram(_modelId, bytes.concat(_program[1], _program[2]), tree.range(1, 2), descriptor);
        assertTrue(d.models.isUsable(_modelId));
    }

    /// @dev docs/machine.md, section 3, for token 2 at temperature 0.
    function _honestRows() private {
        int256 sum;
        for (uint256 e; e < WIDTH; ++e) {
            int256 value = (int256(7 * TOKEN + e) * int256(uint256(100 + TOKEN)) + 2) / 4;
            _rows[0] = bytes.concat(_rows[0], _little(value, 4));
            sum += value * value;
        }
        _rows[1] = _little(sum, 8);
        _rows[2] = bytes.concat(_little(-1, 8), _little(0, 8));
    }

    // ---------------------------------------------------------------- the receipt

    function _fineTree() private view returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](3);
        leaves[0] = _rowLeaf(ElementTypes.I32, WIDTH, _rows[0]);
        leaves[1] = _rowLeaf(ElementTypes.I64, 1, _rows[1]);
        leaves[2] = _rowLeaf(ElementTypes.I64, 2, _rows[2]);
        return Trees.over(leaves);
    }

    function _inputTree() private pure returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = keccak256(abi.encode(Tags.TOKEN, SALT, uint32(1)));
        leaves[1] = keccak256(abi.encode(Tags.TOKEN, SALT, TOKEN));
        return Trees.over(leaves);
    }

    function _traceTree() private pure returns (Trees.Tree memory) {
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = keccak256(abi.encode(Tags.RECORD, SALT, type(uint32).max, bytes32(0)));
        leaves[1] = keccak256(abi.encode(Tags.RECORD, SALT, uint32(0), bytes32(0)));
        return Trees.over(leaves);
    }

    function _request() private view returns (Request memory request) {
        request.modelId = _modelId;
        request.inputRoot = _inputTree().root(Tags.INPUT);
        request.nIn = 2;
        request.maxOut = 1;
    }

    /// @dev Commits, opens a game on step 1 and plays to the chunk of `row`.
    function _play(uint256 row) private {
        _play(row, false);
    }

    /// @dev The same, or only to the fine top.
    function _play(uint256 row, bool jumps) private {
        OtrReceipt memory receipt;
        receipt.machineVersion = 1;
        receipt.modelId = _modelId;
        receipt.executor = _executor;
        receipt.expiry = type(uint64).max;
        receipt.requestHash = d.rollup.hashRequest(_request());
        receipt.inputRoot = _inputTree().root(Tags.INPUT);
        (receipt.nIn, receipt.nOut) = (2, 1);
        receipt.traceRoot = _traceTree().root(Tags.TRACE);
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = ReceiptHash.unwrap(d.rollup.hashReceipt(receipt));
        vm.prank(_executor);
        BatchId id = d.rollup.commitBatch(Trees.over(leaves).root(Tags.BATCH), 1);
        CommittedReceipt memory committed = CommittedReceipt({receipt: receipt, batchId: id, index: 0, siblings: ""});

        Trees.Tree memory trace = _traceTree();
        Trees.Tree memory fine = _fineTree();
        uint96 bond = 0.05 ether;
        vm.prank(_challenger);
        _gameId = d.game.open{value: bond}(committed, _request(), STEP, trace.levels[0][STEP], trace.siblings(STEP));
        _subject = Subject({
            receipt: receipt,
            batchId: id,
            step: STEP,
            record: trace.levels[0][STEP],
            challenger: _challenger,
            bond: bond,
            openedAt: Timestamp.wrap(uint40(block.timestamp))
        });
        vm.prank(_executor);
        d.game.postFine(_subject, Record({salt: SALT, token: 0, cacheRoot: 0}), fine.first());
        if (jumps) return;
        vm.prank(_challenger);
        d.game.chooseRow(_subject, OpenedInstruction(uint32(row), _program[row], _programTree().siblings(row)));
        d.game.revealRow(_gameId, fine.siblings(row), new bytes32[](0), abi.encode(bytes32(_rows[row])));
    }

    /// @dev The chunk of a row of this step, and the row's opening in the fine tree.
    function _fineRead(uint256 row) private view returns (bytes memory) {
        return bytes.concat(bytes32(_rows[row]), _fineTree().siblings(row));
    }

    function _weightsRead(uint256 row) private view returns (bytes memory) {
        return bytes.concat(bytes32(_weights[row]), _weightsTree().siblings(row));
    }

    function _settle(uint256 row, uint32 element, bool withRequest, bytes memory witness) private {
        Request[] memory request = new Request[](withRequest ? 1 : 0);
        if (withRequest) request[0] = _request();
        OpenedElement memory opened = OpenedElement(element, bytes32(_rows[row]), "");
        bytes memory instruction = _program[row];
        vm.prank(_challenger);
        d.game.settle(_subject, instruction, opened, request, witness);
    }

    // ---------------------------------------------------------------- games

    function test_settle_foldSumsq_succeeds() public {
        _rows[1][3] ^= 0x01;
        _play(1);
        _settle(1, 0, false, _fineRead(0));
        vm.snapshotGasLastCall("otr", "settleFoldSumsqSmall");
        d.game.conclude(_subject);
        assertTrue(d.vault.convictedAt(_executor).isSet());
    }

    function _embedWitness() private view returns (bytes memory) {
        return bytes.concat(SALT, bytes4(TOKEN), _inputTree().siblings(STEP), _weightsRead(TOKEN), _weightsRead(4));
    }

    /// @dev The prompt is the receipt's: no request is needed to read it.
    function test_settle_embed_succeeds() public {
        _rows[0][20] ^= 0x01;
        _play(0);
        _settle(0, 5, false, _embedWitness());
        vm.snapshotGasLastCall("otr", "settleEmbedSmall");
        d.game.conclude(_subject);
        assertTrue(d.vault.convictedAt(_executor).isSet());
    }

    function test_settleJump_embed_succeeds() public {
        _rows[0][20] ^= 0x01;
        _play(0, true);
        OpenedInstruction memory opened = OpenedInstruction(0, _program[0], _programTree().siblings(0));
        OpenedRow memory row = OpenedRow(sha256(abi.encode(bytes32(_rows[0]))), _fineTree().siblings(0));
        OpenedElement memory element = OpenedElement(5, bytes32(_rows[0]), "");
        bytes memory witness = _embedWitness();
        vm.prank(_challenger);
        d.game.settleJump(_subject, opened, row, element, new Request[](0), witness);
        vm.snapshotGasLastCall("otr", "settleJumpEmbedSmall");
        assertTrue(d.vault.convictedAt(_executor).isSet());
    }

    function test_settle_drawWithoutRequest_reverts() public {
        _rows[2][8] ^= 0x01;
        _play(2);
        bytes memory witness = _fineRead(1);
        OpenedElement memory opened = OpenedElement(1, bytes32(_rows[2]), "");
        bytes memory instruction = _program[2];
        vm.prank(_challenger);
        vm.expectRevert(IJudge.RequestRequired.selector);
        d.game.settle(_subject, instruction, opened, new Request[](0), witness);
    }

    function test_settle_draw_succeeds() public {
        _rows[2][8] ^= 0x01;
        _play(2);
        _settle(2, 1, true, _fineRead(1));
        d.game.conclude(_subject);
        assertTrue(d.vault.convictedAt(_executor).isSet());
    }

    /// @dev The honest executor: nothing proves anything against it, and no false operand is accepted.
    function test_settle_honest_reverts() public {
        _play(1);
        OpenedElement memory opened = OpenedElement(0, bytes32(_rows[1]), "");
        bytes memory instruction = _program[1];
        bytes memory witness = _fineRead(0);
        vm.startPrank(_challenger);
        vm.expectRevert(IDisputeGame.NothingProven.selector);
        d.game.settle(_subject, instruction, opened, new Request[](0), witness);
        witness[0] ^= 0x01;
        vm.expectPartialRevert(IJudge.WitnessRoot.selector);
        d.game.settle(_subject, instruction, opened, new Request[](0), witness);
        witness[0] ^= 0x01;
        opened.chunk ^= bytes32(uint256(1));
        vm.expectPartialRevert(IDisputeGame.NodeMismatch.selector);
        d.game.settle(_subject, instruction, opened, new Request[](0), witness);
    }
}
