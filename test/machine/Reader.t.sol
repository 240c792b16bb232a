// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {Case, Read} from "../harness/Case.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Patch} from "../harness/Patch.sol";
import {RowTree} from "../harness/RowTree.sol";
import {Samples, Sizes} from "../harness/Samples.sol";
import {Geometry, WitnessBuilder} from "../harness/WitnessBuilder.sol";

/// @notice Witnesses of docs/protocol.md, section 5: what is opened must be what is committed, to the last byte.
contract ReaderTest is Test {
    JudgeHarness private _harness;
    JudgeV1 private _judge;

    /// @dev A case, its commitments, and the witness for its first element.
    struct Opened {
        Case c;
        StepContext context;
        Read[] reads;
        bytes witness;
        int256 value;
    }

    function setUp() public {
        _harness = new JudgeHarness();
        _judge = new JudgeV1();
    }

    /// @dev Every bit of a witness counts, in every instruction.
    function testFuzz_evaluate_changedByte_reverts(uint256 seed, uint256 at, uint8 change) public {
        vm.pauseGasMetering();
        bytes memory opcodes = Samples.opcodes();
        Opened memory x = _open(Samples.random(uint8(opcodes[seed % opcodes.length]), seed));
        if (x.witness.length == 0) return;
        bytes memory witness = x.witness;
        witness[at % witness.length] ^= bytes1(change == 0 ? 1 : change);
        (bool success, bytes memory reason) = _call(x, witness);
        assertFalse(success);
        assertEq(bytes4(reason), IJudge.WitnessRoot.selector);
    }

    function testFuzz_evaluate_truncated_reverts(uint256 seed, uint256 size) public {
        vm.pauseGasMetering();
        bytes memory opcodes = Samples.opcodes();
        Opened memory x = _open(Samples.random(uint8(opcodes[seed % opcodes.length]), seed));
        if (x.witness.length == 0) return;
        bytes memory witness = x.witness;
        size = size % witness.length;
        // SAFETY: shortens an array.
        assembly ("memory-safe") {
            mstore(witness, size)
        }
        (bool success, bytes memory reason) = _call(x, witness);
        assertFalse(success);
        bool typed =
            bytes4(reason) == IJudge.WitnessLength.selector || bytes4(reason) == BinaryTree.OpeningTooShort.selector;
        assertTrue(typed);
    }

    function testFuzz_evaluate_surplus_reverts(uint256 seed, uint8 more) public {
        vm.pauseGasMetering();
        bytes memory opcodes = Samples.opcodes();
        Opened memory x = _open(Samples.random(uint8(opcodes[seed % opcodes.length]), seed));
        bytes memory witness = bytes.concat(x.witness, new bytes(uint256(more) + 1));
        (bool success, bytes memory reason) = _call(x, witness);
        assertFalse(success);
        assertEq(reason, abi.encodeWithSelector(IJudge.WitnessLength.selector, x.witness.length, witness.length));
    }

    function test_evaluate_otherRow_reverts() public {
        Opened memory x = _open(_sample(Opcodes.ADD));
        // Another instruction names row 4 where the witness opens row 3: only a row leaf's place differs.
        x.c.instruction = Patch.field(x.c.instruction, 36, 4, 2);
        _refuseRoot(x, x.context.fineTop);
    }

    function test_evaluate_otherWeightRow_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_DOT));
        x.c.elements[0] = 1;
        _refuseRoot(x, x.context.weightsRoot);
    }

    function test_evaluate_otherType_reverts() public {
        Opened memory x = _open(_sample(Opcodes.RMS));
        // One row of i64 of length 4 is, as bytes, a row of i32 of length 8.
        x.c.instruction = Patch.field(x.c.instruction, 33, 1, 2);
        x.c.instruction = Patch.field(x.c.instruction, 40, 4, 2 * uint256(uint8(x.c.instruction[43])));
        _refuseRoot(x, x.context.fineTop);
    }

    function test_evaluate_fineTop_reverts() public {
        Opened memory x = _open(_sample(Opcodes.ADD));
        x.context.fineTop = ~x.context.fineTop;
        _refuseRoot(x, x.context.fineTop);
    }

    function test_evaluate_weightsRoot_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_DOT));
        x.context.weightsRoot = ~x.context.weightsRoot;
        _refuseRoot(x, x.context.weightsRoot);
    }

    /// @dev The root binds the number of rows, even where the tree has the same shape.
    function test_evaluate_weightRows_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_DOT));
        x.context.weightRows += 1;
        _refuseRoot(x, x.context.weightsRoot);
    }

    function test_evaluate_earlierPosition_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_SCORES));
        x.context.traceRoot = ~x.context.traceRoot;
        _refuseRoot(x, x.context.traceRoot);
    }

    function test_evaluate_cacheRows_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_SCORES));
        x.context.cacheRows += 1;
        _refuseRoot(x, x.context.traceRoot);
    }

    /// @dev A key of another position, though it lies in the trace.
    function test_evaluate_otherPosition_reverts() public {
        Opened memory x = _open(_sample(Opcodes.FOLD_SCORES));
        x.c.elements[0] += 1;
        _refuseRoot(x, x.context.traceRoot);
    }

    function test_evaluate_promptToken_reverts() public {
        Case memory case_ = _sample(Opcodes.EMBED);
        case_.nIn = case_.t + 3;
        Opened memory x = _open(case_);
        x.context.inputRoot = ~x.context.inputRoot;
        _refuseRoot(x, x.context.inputRoot);
    }

    function test_evaluate_recordToken_reverts() public {
        Opened memory x = _open(_sample(Opcodes.EMBED));
        x.context.traceRoot = ~x.context.traceRoot;
        _refuseRoot(x, x.context.traceRoot);
    }

    /// @dev The receipt holds the prompt's root: `embed` needs no request, at prompt positions and after them.
    function test_evaluate_token_withoutRequest_succeeds() public {
        Case memory case_ = _sample(Opcodes.EMBED);
        Opened memory x = _open(case_);
        x.context.hasRequest = false;
        (bool success,) = _call(x, x.witness);
        assertTrue(success);
        case_.nIn = case_.t + 3;
        x = _open(case_);
        x.context.hasRequest = false;
        (success,) = _call(x, x.witness);
        assertTrue(success);
    }

    function test_evaluate_request_reverts() public {
        _refuseRequest(_sample(Opcodes.WEIGH));
        Case memory case_ = _sample(Opcodes.DRAW);
        case_.elements[0] = 1;
        _refuseRequest(case_);
    }

    /// @dev The second of two reads of one row is not opened, and must have the same `B`.
    function test_evaluate_secondRead_reverts() public {
        Case memory case_ = _sample(Opcodes.ROPE);
        Opened memory x = _open(case_);
        Read[] memory first = new Read[](1);
        first[0] = x.reads[0];
        WitnessBuilder builder = new WitnessBuilder();
        builder.commit(case_, _geometry(case_));
        uint256 size = builder.witness(case_, first).length;

        // Another row in the same place: its second read behind the first read of the committed row.
        bytes32 expected = this.rowTop(case_.a[0].data);
        bytes memory start = this.slice(x.witness, 0, size);
        case_.a[0].data[40] ^= 0x01;
        bytes memory other = _open(case_).witness;
        x.witness = bytes.concat(start, this.slice(other, size, other.length));
        (bool success, bytes memory reason) = _call(x, x.witness);
        assertFalse(success);
        bytes32 got = this.rowTop(case_.a[0].data);
        assertEq(reason, abi.encodeWithSelector(IJudge.WitnessRoot.selector, expected, got));
    }

    function rowTop(bytes calldata data) external pure returns (bytes32) {
        return RowTree.top(data);
    }

    function slice(bytes calldata data, uint256 from, uint256 to) external pure returns (bytes calldata) {
        return data[from:to];
    }

    /// @dev `add` of a row to itself: the row is opened once.
    function test_evaluate_sameRow_succeeds() public {
        Case memory case_ = _sample(Opcodes.ADD);
        case_.instruction = Patch.field(case_.instruction, 48, 1, 1);
        case_.instruction = Patch.field(case_.instruction, 52, 4, 3);
        case_.instruction = Patch.field(case_.instruction, 60, 4, 0);
        case_.b = case_.a;
        Opened memory x = _open(case_);
        (bool success,) = _call(x, x.witness);
        assertTrue(success);
    }

    /// @dev Bytes behind a row's last element are committed, but do not count.
    function test_evaluate_padding_succeeds() public {
        Case memory case_ = _sample(Opcodes.FOLD_DOT);
        Opened memory x = _open(case_);
        // The last chunk of both rows, filled up: the judge sees other chunks and the same elements.
        WitnessBuilder builder = new WitnessBuilder();
        case_.a[0].data = bytes.concat(case_.a[0].data, hex"7f");
        for (uint256 k; k < case_.b.length; ++k) {
            case_.b[k].data = bytes.concat(case_.b[k].data, hex"7f");
        }
        StepContext memory context = builder.commit(case_, _geometry(case_));
        bytes memory witness = builder.witness(case_, x.reads);
        assertEq(_judge.evaluate(case_.instruction, context, case_.elements[0], witness), x.value);
        assertTrue(keccak256(witness) != keccak256(x.witness));
    }

    function _sample(uint8 opcode) private pure returns (Case memory case_) {
        Sizes memory sizes = Sizes({groups: 2, size: 50, d: 8, shared: 2, count: 5, perPosition: false, wide: false});
        if (opcode == Opcodes.RMS) (sizes.groups, sizes.size) = (1, 4);
        case_ = Samples.typical(opcode, sizes, 6);
        case_.elements = new uint256[](1);
    }

    function _geometry(Case memory case_) private pure returns (Geometry memory) {
        return Geometry(211, 39, 100_001, case_.t + 1);
    }

    function _open(Case memory case_) private returns (Opened memory x) {
        if (case_.elements.length == 0) case_.elements = new uint256[](1);
        WitnessBuilder builder = new WitnessBuilder();
        x.c = case_;
        x.context = builder.commit(case_, _geometry(case_));
        x.reads = _harness.readsOf(case_, 0);
        x.witness = builder.witness(case_, x.reads);
        (bool success, bytes memory result) = _call(x, x.witness);
        assertTrue(success, "the witness is good");
        if (result.length == 32) x.value = abi.decode(result, (int256));
    }

    function _call(Opened memory x, bytes memory witness) private view returns (bool, bytes memory) {
        (uint256 count,) = _judge.blocks(x.c.instruction, x.c.t);
        uint256 e = x.c.elements[0];
        bytes memory data = count == 1
            ? abi.encodeCall(IJudge.evaluate, (x.c.instruction, x.context, e, witness))
            : abi.encodeCall(IJudge.evaluateBlock, (x.c.instruction, x.context, e, 0, "", witness));
        return address(_judge).staticcall(data);
    }

    function _refuseRoot(Opened memory x, bytes32 expected) private view {
        (bool success, bytes memory reason) = _call(x, x.witness);
        assertFalse(success);
        assertEq(bytes4(reason), IJudge.WitnessRoot.selector);
        bytes32 stated;
        // SAFETY: the reason has a selector and two words.
        assembly ("memory-safe") {
            stated := mload(add(reason, 0x24))
        }
        assertEq(stated, expected);
    }

    function _refuseRequest(Case memory case_) private {
        Opened memory x = _open(case_);
        x.context.hasRequest = false;
        (bool success, bytes memory reason) = _call(x, x.witness);
        assertFalse(success);
        assertEq(bytes4(reason), IJudge.RequestRequired.selector);
    }
}
