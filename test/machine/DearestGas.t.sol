// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {JudgeV1} from "src/machine/JudgeV1.sol";
import {Opcodes} from "src/machine/Opcodes.sol";
import {Rule, Rules} from "src/machine/Rules.sol";
import {Assembler, Fields} from "../harness/Assembler.sol";
import {JudgeHarness} from "../harness/JudgeHarness.sol";
import {Random} from "../harness/Random.sol";
import {Samples} from "../harness/Samples.sol";
import {WideCase, WideReads} from "../harness/WideReads.sol";
import {WideWitness} from "../harness/WideWitness.sol";
import {Geometry} from "../harness/WitnessBuilder.sol";

/// @notice The dearest judge call that a valid program can cause, searched for: instructions of the greatest lengths that the validator
///         accepts, odd sizes that fall across chunks, all kinds of elements, blocks and bytes, in trees of the greatest depths.
/// @dev Trees: 2^32 - 1 rows, cached rows and weight rows, which no model comes near, and the longest context of 2^22 steps.
///      `OTR_SEARCH=n` draws n instructions per opcode; each is measured with all kinds of bytes.
contract DearestGasTest is Test {
    using Random for Random.Stream;

    /// @dev A transaction holds at most 2^24 (EIP-7825).
    uint256 private constant BAR = 280_000;
    uint256 private constant DRAWS = 2;
    uint32 private constant MOST = type(uint32).max;
    uint32 private constant LONGEST = 1 << 22;

    uint8 private constant I8 = 0;
    uint8 private constant I16 = 1;
    uint8 private constant I32 = 2;
    uint8 private constant I64 = 3;

    JudgeHarness private _harness;
    JudgeV1 private _judge;

    /// @dev An instruction being drawn: `n` is the stated length of its longest row, which is `perPosition` or not.
    struct Draft {
        Fields f;
        Random.Stream r;
        uint256 n;
        uint8 mode;
        uint256 contextLength;
    }

    function setUp() public {
        _harness = new JudgeHarness();
        _judge = new JudgeV1();
    }

    function test_folds_dearest_succeeds() public {
        _search("fold_sumsq", Opcodes.FOLD_SUMSQ);
        _search("fold_amax", Opcodes.FOLD_AMAX);
        _search("fold_max", Opcodes.FOLD_MAX);
        _search("fold_sum", Opcodes.FOLD_SUM);
        _search("fold_pick", Opcodes.FOLD_PICK);
        _search("fold_dot", Opcodes.FOLD_DOT);
        _search("fold_scores", Opcodes.FOLD_SCORES);
        _search("fold_mix", Opcodes.FOLD_MIX);
    }

    function test_maps_dearest_succeeds() public {
        _search("embed", Opcodes.EMBED);
        _search("rms", Opcodes.RMS);
        _search("norm", Opcodes.NORM);
        _search("quantize", Opcodes.QUANTIZE);
        _search("dequant", Opcodes.DEQUANT);
        _search("add", Opcodes.ADD);
        _search("rope", Opcodes.ROPE);
        _search("rescale", Opcodes.RESCALE);
        _search("exp2", Opcodes.EXP2);
        _search("divide", Opcodes.DIVIDE);
        _search("gate", Opcodes.GATE);
        _search("weigh", Opcodes.WEIGH);
        _search("draw", Opcodes.DRAW);
    }

    /// @dev The names above are all opcodes that there are.
    function test_opcodes_complete_succeeds() public pure {
        assertEq(Samples.opcodes().length, 8 + 13);
    }

    function _search(string memory name, uint8 opcode) private {
        vm.pauseGasMetering();
        uint256 dearest;
        uint256 measured;
        uint256 draws = vm.envOr("OTR_SEARCH", DRAWS);
        for (uint256 seed; measured < draws; ++seed) {
            assertLt(seed, 100 * draws, "the draws are hardly ever valid");
            Draft memory d = _draw(opcode, seed);
            bytes memory instruction = Assembler.encode(d.f);
            if (!_isValid(d, instruction)) continue;
            ++measured;
            for (uint256 fill; fill < WideReads.FILLS; ++fill) {
                uint256 gas = _measure(d, instruction, fill);
                if (gas > dearest) dearest = gas;
            }
        }
        vm.resumeGasMetering();
        // The golden figures are those of the usual search.
        if (draws == DRAWS) vm.snapshotValue("dearest", name, dearest);
        assertLe(dearest, BAR, name);
    }

    /// @dev What the validator checks of one instruction, given well-formed operands.
    function _isValid(Draft memory d, bytes memory instruction) private view returns (bool) {
        if (_harness.brokenRule(instruction, d.contextLength) != Rule.NONE) return false;
        uint256 length = d.f.outLength;
        return length > 0 && length <= Rules.MAX_LENGTH
            && (d.f.outMode == 0 || length * d.contextLength <= Rules.MAX_POSITIONS_LENGTH);
    }

    function _measure(Draft memory d, bytes memory instruction, uint256 fill) private returns (uint256) {
        uint32 t = uint32(d.contextLength - 1);
        WideCase memory c = WideCase(instruction, t, d.r.next() & 1 == 1 ? t : t + 1, 0, 0, fill);
        uint256 length = d.f.outMode == 1 ? d.f.outLength * d.contextLength : d.f.outLength;
        c.element = _somewhere(d.r, length);
        (uint256 blocks, uint256 size) = _judge.blocks(instruction, t);
        c.block_ = _somewhere(d.r, blocks);
        Geometry memory geometry = Geometry(MOST, MOST, MOST, uint32(d.contextLength));
        (StepContext memory context, bytes memory witness) = new WideWitness().build(c, geometry);
        if (blocks == 1) {
            return _transaction(abi.encodeCall(IJudge.evaluate, (instruction, context, c.element, witness)));
        }
        bytes memory before = c.block_ == 0 ? bytes("") : _before(d.f.opcode, size);
        return _transaction(
            abi.encodeCall(IJudge.evaluateBlock, (instruction, context, c.element, c.block_, before, witness))
        );
    }

    /// @dev An accumulator that keeps a fold busy: for `fold_pick` nothing found yet, and much to subtract.
    function _before(uint8 opcode, uint256 size) private pure returns (bytes memory) {
        if (opcode == Opcodes.FOLD_PICK) return abi.encodePacked(int64(-1), type(int64).max);
        return size == 16 ? abi.encodePacked(type(int128).min) : abi.encodePacked(type(int64).min);
    }

    /// @dev Most often in the middle, where a range has siblings on both sides.
    function _somewhere(Random.Stream memory r, uint256 count) private pure returns (uint256) {
        uint256 kind = r.next() % 8;
        if (kind == 0) return 0;
        if (kind == 1) return count - 1;
        if (kind == 2) return r.next() % count;
        return count / 2 - (count > 1 ? r.next() % 2 : 0);
    }

    /// @dev Gas of a transaction with this calldata to the judge: execution, or the floor of EIP-7623.
    function _transaction(bytes memory data) private returns (uint256) {
        (bool success,) = address(_judge).call(data);
        assertTrue(success);
        uint256 zeros;
        for (uint256 k; k < data.length; ++k) {
            if (data[k] == 0) ++zeros;
        }
        uint256 floor = 21_000 + 10 * zeros + 40 * (data.length - zeros);
        uint256 spent = vm.lastCallGas().gasTotalUsed;
        assertGt(spent, 21_000, "a call is a transaction here");
        return spent > floor ? spent : floor;
    }

    // ---------------------------------------------------------------- draws

    function _draw(uint8 opcode, uint256 seed) private pure returns (Draft memory d) {
        d.r = Random.Stream(uint256(keccak256(abi.encode(opcode, seed))));
        d.f.opcode = opcode;
        d.contextLength = _pick(d.r, LONGEST, LONGEST, 1 << 14, 16);
        d.mode = uint8(d.r.next() & 1);
        d.n = d.mode == 1 ? Rules.MAX_POSITIONS_LENGTH / d.contextLength : Rules.MAX_LENGTH;
        d.n -= _pick(d.r, 0, 0, 1, 3);
        if (opcode <= Opcodes.FOLD_PICK) _vectorFold(d);
        else if (opcode <= Opcodes.FOLD_MIX) _matrixFold(d);
        else _map(d);
    }

    function _vectorFold(Draft memory d) private pure {
        uint8 op = d.f.opcode;
        if (op == Opcodes.FOLD_PICK) {
            _out(d, I64, 0, 2);
            d.f.a = Assembler.row(I32, d.mode, 3, uint32(d.n));
            d.f.b = Assembler.row(I64, 0, MOST / 2, 2);
            d.f.p[0] = type(int32).max;
            return;
        }
        uint8 out = op == Opcodes.FOLD_AMAX || op == Opcodes.FOLD_MAX ? I32 : I64;
        uint256 group = d.mode == 1 ? 1 : _pick(d.r, 127, 129, 1 << 14, 1);
        uint256 groups = d.n / group;
        _out(d, out, 0, groups);
        d.f.a = Assembler.row(
            op == Opcodes.FOLD_SUM ? uint8(_pick(d.r, I16, I32, I32, I32)) : I32, d.mode, 3, uint32(groups * group)
        );
        if (op == Opcodes.FOLD_MAX || op == Opcodes.FOLD_SUM) d.f.b = Assembler.row(out, 0, MOST / 2, uint32(groups));
    }

    function _matrixFold(Draft memory d) private pure {
        if (d.f.opcode == Opcodes.FOLD_DOT) {
            uint8 narrow = uint8(d.r.next() & 1);
            uint256 length = narrow == I8 ? _pick(d.r, 1024, 1024, 1 << 16, 1025) : _pick(d.r, 512, d.n, 1 << 16, 513);
            _out(d, narrow == I8 ? I32 : I64, 0, 1 << 24);
            d.f.a = Assembler.row(narrow, 0, 3, uint32(length));
            d.f.b = Assembler.weights(I8, MOST / 2, uint32(length), 1 << 24);
            return;
        }
        uint256 size = _pick(d.r, 255, 255, 256, 31);
        uint256 most = Rules.MAX_POSITIONS_LENGTH / d.contextLength;
        uint256 heads = most * size <= Rules.MAX_LENGTH ? most : Rules.MAX_LENGTH / size;
        d.f.p[0] = int32(int256(size));
        d.f.b = Assembler.cache(I16, 60, uint32(heads * size), MOST / 2);
        if (d.f.opcode == Opcodes.FOLD_SCORES) {
            _out(d, I32, 1, heads);
            d.f.a = Assembler.row(I16, 0, 3, uint32(heads * size));
            (d.f.p[1], d.f.p[2]) = ((1 << 24) - 1, 62);
        } else {
            _out(d, I64, 0, heads * size);
            d.f.a = Assembler.row(I16, 1, 3, uint32(heads));
        }
    }

    function _map(Draft memory d) private pure {
        uint8 op = d.f.opcode;
        if (op == Opcodes.EMBED) {
            _out(d, I32, 0, d.n);
            d.f.a = Assembler.token();
            d.f.b = Assembler.weights(I8, 1, uint32(d.n), 1 << 21);
            d.f.c = Assembler.weights(I32, MOST / 2, uint32(_pick(d.r, 1 << 24, 1 << 21, 1, 1 << 22)), 1 << 21);
            (d.f.p[0], d.f.p[1]) = (62, 31);
        } else if (op == Opcodes.RMS) {
            _same(d, I64, I64);
            (d.f.p[0], d.f.p[1]) = (type(int32).max, type(int32).max);
            (d.f.p[2], d.f.p[3]) = (16, 62);
        } else if (op == Opcodes.NORM) {
            _same(d, I32, I32);
            uint256 size = _pick(d.r, 1, 1, 2, d.n);
            _second(d, I64, d.mode, d.n / size);
            d.f.c = Assembler.weights(I32, MOST / 2, uint32(size), 1);
            (d.f.p[0], d.f.p[1]) = (62, 62);
        } else if (op == Opcodes.QUANTIZE) {
            _same(d, uint8(_pick(d.r, I8, I16, I16, I16)), I32);
            _second(d, I32, d.mode, d.n);
        } else if (op == Opcodes.DEQUANT) {
            (d.mode, d.n) = (0, Rules.MAX_LENGTH - _pick(d.r, 0, 0, 1, 3));
            _same(d, I32, uint8(_pick(d.r, I32, I64, I64, I64)));
            _second(d, I32, 0, 1);
            d.f.c = Assembler.weights(I32, MOST / 2, 1 << 24, 1);
            (d.f.p[0], d.f.p[1], d.f.p[2]) = (62, 31, 31);
            (d.f.p[3], d.f.p[4]) = (62, 31);
        } else if (op == Opcodes.ADD) {
            _same(d, I32, I32);
            if (d.mode == 0 && d.r.next() & 1 == 1) d.f.b = Assembler.weights(I32, MOST / 2, uint32(d.n), 1);
            else _second(d, I32, d.mode, d.n);
            d.f.p[0] = 31;
        } else {
            _laterMap(d);
        }
    }

    function _laterMap(Draft memory d) private pure {
        uint8 op = d.f.opcode;
        if (op == Opcodes.ROPE) {
            d.n &= ~uint256(1);
            _same(d, I16, I32);
            d.f.b = Assembler.weights(I16, MOST / 2, uint32(_pick(d.r, d.n, d.n, 2, d.n)), LONGEST);
            d.f.p[0] = 62;
        } else if (op == Opcodes.RESCALE) {
            _same(d, uint8(d.r.next() % 3), I32);
            (d.f.p[0], d.f.p[1]) = (type(int32).max, 62);
        } else if (op == Opcodes.EXP2) {
            _same(d, uint8(1 + d.r.next() % 2), I32);
            _second(d, I32, d.mode, d.n);
            d.f.c = Assembler.weights(I32, 1, 1 << 16, 1);
            (d.f.p[0], d.f.p[1], d.f.p[2]) = (int32(int256(_pick(d.r, 16, 62, 32, 16))), 16, 0);
        } else if (op == Opcodes.DIVIDE) {
            _same(d, I32, I64);
            _second(d, I64, d.mode, d.n);
            d.f.p[0] = 62;
        } else if (op == Opcodes.GATE) {
            _same(d, I32, I32);
            _second(d, I32, d.mode, d.n);
            d.f.c = Assembler.weights(I16, MOST / 2, 1 << 24, 1);
            (d.f.p[0], d.f.p[1], d.f.p[2]) = (int32(int256(_pick(d.r, 0, 8, 62, 8))), 62, 62);
        } else if (op == Opcodes.WEIGH) {
            _same(d, I32, I32);
            _second(d, I32, 0, 1);
            d.f.c = Assembler.weights(I32, MOST / 2, 1 << 16, 1);
            (d.f.p[0], d.f.p[1], d.f.p[2]) = ((1 << 24) - 1, 16, 0);
        } else {
            _out(d, I64, 0, 2);
            d.f.a = Assembler.row(I64, 0, 3, 1);
        }
    }

    function _out(Draft memory d, uint8 outType, uint8 mode, uint256 length) private pure {
        (d.f.outType, d.f.outMode, d.f.outLength) = (outType, mode, uint32(length));
    }

    /// @dev A row made of operand a, of the same shape.
    function _same(Draft memory d, uint8 outType, uint8 elementType) private pure {
        _out(d, outType, d.mode, d.n);
        d.f.a = Assembler.row(elementType, d.mode, 3, uint32(d.n));
    }

    function _second(Draft memory d, uint8 elementType, uint8 mode, uint256 length) private pure {
        d.f.b = Assembler.row(elementType, mode, MOST / 2, uint32(length));
    }

    function _pick(Random.Stream memory r, uint256 a, uint256 b, uint256 c, uint256 e) private pure returns (uint256) {
        uint256 kind = r.next() % 4;
        return kind == 0 ? a : kind == 1 ? b : kind == 2 ? c : e;
    }
}
