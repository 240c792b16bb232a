// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Instruction, KIND_ROW, KIND_WEIGHTS, Operand, ROLE_TOKEN} from "../machine/Instruction.sol";
import {Opcodes} from "../machine/Opcodes.sol";
import {PublicWords} from "./PublicWords.sol";

/// @dev Circuits with keys of their own, in the order of `ts/circuits/catalogue.ts`.
enum Circuit {
    MAP,
    GATHER,
    DOT,
    FOLD,
    ATTENTION,
    LINK
}

/// @dev A drawn element, and what its step depends on.
/// @param row Number of the instruction.
/// @param token Input token of the step: set for `embed` only.
/// @param temperature As the machine sees it: set for `weigh` and `draw` only.
/// @param outputIndex `max(t - (nIn - 1), 0)`.
/// @param emits Whether the receipt names the token that this row holds, `emitted`.
struct Element {
    uint256 row;
    uint256 t;
    uint256 element;
    uint256 token;
    uint256 temperature;
    bytes32 requestHash;
    uint256 outputIndex;
    bool emits;
    uint256 emitted;
}

/// @dev What a proof about an element, or about one segment of a fold, states.
/// @param cached Whether it reads chunk `chunk` of a cached row of position `position`.
/// @param stateIn Committed state before the segment, and after it (`stateOut`): the prover's; zero at a fold's ends.
/// @param digest Of the chunk, and its SHA-256 leaf (`leaf`): the prover's.
struct Statement {
    Circuit circuit;
    uint256 reads;
    uint256 params;
    bool cached;
    uint256 position;
    uint256 chunk;
    uint256 stateIn;
    uint256 stateOut;
    uint256 digest;
    uint256 leaf;
}

/// @title What proofs about elements state: every public word that follows from instruction, position, request and element
/// @notice docs/spotchecks.md, section 4; function by function the same as `ts/circuits/statement.ts`. For instructions of validated programs.
library Statements {
    /// @notice The opcode is not part of machine version 1.
    error UnknownOpcode(uint8 opcode);

    /// @dev Elements of a segment of fold_dot, and bytes of a segment of a fold over a group.
    uint256 private constant SEGMENT = 992;
    /// @dev Elements of a chunk of a cached row.
    uint256 private constant LANES = 16;

    /// @notice The circuit that proves elements of an instruction's row.
    function circuitOf(Instruction i) internal pure returns (Circuit) {
        uint8 opcode = i.opcode();
        if (opcode == Opcodes.EMBED || opcode == Opcodes.ROPE) return Circuit.GATHER;
        if (opcode > Opcodes.EMBED && opcode <= Opcodes.DRAW) return Circuit.MAP;
        if (opcode == Opcodes.FOLD_DOT) return Circuit.DOT;
        if (opcode == Opcodes.FOLD_SCORES || opcode == Opcodes.FOLD_MIX) return Circuit.ATTENTION;
        if (opcode != 0 && opcode <= Opcodes.FOLD_PICK) return Circuit.FOLD;
        revert UnknownOpcode(opcode);
    }

    /// @notice Segments behind an element: each is one proof.
    function segments(Instruction i, uint256 t, uint256 e) internal pure returns (uint256) {
        Circuit circuit = circuitOf(i);
        if (circuit == Circuit.DOT) return Math.ceilDiv(i.a().length(), SEGMENT);
        if (circuit == Circuit.ATTENTION) {
            if (i.opcode() == Opcodes.FOLD_MIX) return t + 1;
            if (_isMasked(i, t, e)) return 1;
            uint256 first = _kvHead(i, i.outLength(), e / (t + 1)) * i.shift(0);
            return (first + i.shift(0) - 1) / LANES - first / LANES + 1;
        }
        if (circuit == Circuit.FOLD) {
            (uint256 first, uint256 end) = _groupBytes(i, t, e);
            return (end - 1) / SEGMENT - first / SEGMENT + 1;
        }
        return 1;
    }

    /// @notice Claims of an element whose `count` segments are all proven: one for each segment, and one for each cached chunk.
    function claimsOfWhole(Instruction i, uint256 count) internal pure returns (uint256) {
        return circuitOf(i) == Circuit.ATTENTION ? 2 * count : count;
    }

    /// @notice The statement about segment `segment` of the `count` behind the element.
    function statementOf(Instruction i, Element memory x, uint256 segment, uint256 count)
        internal
        pure
        returns (Statement memory s)
    {
        s.circuit = circuitOf(i);
        uint256 out = PublicWords.read(x.row, i.outType(), i.lengthAt(x.t), x.element);
        if (s.circuit == Circuit.MAP) _map(s, i, x, out);
        else if (s.circuit == Circuit.DOT) _dot(s, i, x, out, segment, count);
        else if (s.circuit == Circuit.FOLD) _fold(s, i, x, out, segment, count);
        else if (s.circuit == Circuit.ATTENTION) _attention(s, i, x, out, segment, count);
        else if (i.opcode() == Opcodes.ROPE) _rope(s, i, x, out);
        else _embed(s, i, x, out);
    }

    /// @dev Element `first` of a row of the step, or of row `row` of a weight range.
    function _read(Operand operand, uint256 t, uint256 first, uint256 row) private pure returns (uint256) {
        return PublicWords.read(operand.index() + row, operand.elementType(), operand.rowLengthAt(t), first);
    }

    // ---------------------------------------------------------------- maps

    function _map(Statement memory s, Instruction i, Element memory x, uint256 out) private pure {
        bool isDraw = i.opcode() == Opcodes.DRAW;
        s.reads = PublicWords.reads(out, _read(i.a(), x.t, isDraw ? 0 : x.element, 0), _mapB(i, x));
        s.params = PublicWords.put(_mapC(i, x) | _mapParameters(i, x), i.opcode() - Opcodes.EMBED, 243, 4);
        s.params = PublicWords.put(s.params, i.outType(), 247, 2) | PublicWords.flag(_isBias(i), 249);
    }

    /// @dev The read of b if it is a row.
    function _mapB(Instruction i, Element memory x) private pure returns (uint256) {
        if (i.b().kind() != KIND_ROW) return 0;
        uint8 opcode = i.opcode();
        uint256 first;
        if (opcode == Opcodes.ADD || opcode == Opcodes.GATE) first = x.element;
        else if (opcode != Opcodes.DEQUANT && opcode != Opcodes.WEIGH) first = x.element / _groupSize(i, x.t);
        return _read(i.b(), x.t, first, 0);
    }

    /// @dev The read of a weight row. Which entry of a table is read follows from a and b.
    function _mapC(Instruction i, Element memory x) private pure returns (uint256) {
        if (_isBias(i)) return _read(i.b(), x.t, x.element, 0);
        if (i.c().kind() != KIND_WEIGHTS) return 0;
        uint8 opcode = i.opcode();
        uint256 first;
        if (opcode == Opcodes.NORM) first = x.element % _groupSize(i, x.t);
        else if (opcode == Opcodes.DEQUANT) first = x.element;
        return _read(i.c(), x.t, first, 0);
    }

    /// @dev Whether a row is added that comes from the weights.
    function _isBias(Instruction i) private pure returns (bool) {
        return i.opcode() == Opcodes.ADD && i.b().kind() == KIND_WEIGHTS;
    }

    /// @dev p0..p4 as the circuit takes them: some instructions depend on the request, too.
    function _mapParameters(Instruction i, Element memory x) private pure returns (uint256 word) {
        uint256[5] memory p;
        if (i.opcode() == Opcodes.DRAW) {
            uint256 random = uint256(keccak256(abi.encode(x.requestHash, x.outputIndex))) >> 192;
            (p[0], p[1], p[2], p[3]) = (uint32(random), random >> 32, x.element, x.temperature);
        } else {
            for (uint256 k; k < 5; ++k) {
                p[k] = i.shift(k);
            }
            if (i.opcode() == Opcodes.WEIGH) (p[3], p[4]) = (x.temperature, 0);
        }
        for (uint256 k; k < 5; ++k) {
            word = PublicWords.put(word, p[k], PublicWords.READ_BITS + 32 * k, 32);
        }
    }

    function _rope(Statement memory s, Instruction i, Element memory x, uint256 out) private pure {
        Operand b = i.b();
        uint256 half = b.length() / 2;
        uint256 first = x.element % half;
        bool upper = x.element / half % 2 == 1;
        uint256 entry = _read(b, x.t, first, Math.min(x.t, b.count() - 1));
        s.reads = PublicWords.reads(out, _read(i.a(), x.t, x.element, 0), entry);
        uint256 word = PublicWords.put(0, upper ? x.element - half : x.element + half, 0, 28);
        word = PublicWords.put(word, first + half, 28, 28);
        s.params = PublicWords.put(word, i.shift(0), 56, 6) | 15 << 62 | PublicWords.flag(!upper, 68);
    }

    function _embed(Statement memory s, Instruction i, Element memory x, uint256 out) private pure {
        Operand scales = i.c();
        uint256 token = Math.min(x.token, i.b().count() - 1);
        uint256 place = token % scales.length();
        uint256 scale = _read(scales, x.t, place, Math.min(token / scales.length(), scales.count() - 1));
        s.reads = PublicWords.reads(out, _read(i.b(), x.t, x.element, token), scale);
        uint256 word = PublicWords.put(0, x.element, 0, 28);
        word = PublicWords.put(word, place, 28, 28);
        word = PublicWords.put(word, i.shift(0), 56, 6);
        s.params = PublicWords.put(word, i.shift(1), 62, 5) | PublicWords.flag(true, 67);
    }

    // ---------------------------------------------------------------- folds

    function _dot(Statement memory s, Instruction i, Element memory x, uint256 out, uint256 segment, uint256 count)
        private
        pure
    {
        s.reads = PublicWords.reads(out, _read(i.a(), x.t, 0, 0), _read(i.b(), x.t, 0, x.element));
        s.params = PublicWords.put(_ends(segment, count, 12), segment, 0, 12);
    }

    function _fold(Statement memory s, Instruction i, Element memory x, uint256 out, uint256 index, uint256 count)
        private
        pure
    {
        (uint256 first, uint256 end) = _groupBytes(i, x.t, x.element);
        bool isPick = i.opcode() == Opcodes.FOLD_PICK;
        uint256 b = i.b().kind() == KIND_ROW ? _read(i.b(), x.t, isPick ? 0 : x.element, 0) : 0;
        s.reads = PublicWords.reads(out, _read(i.a(), x.t, first >> i.a().elementType(), 0), b);
        uint256 segment = first / SEGMENT + index;
        uint256 word = PublicWords.put(_foldFlags(i, x) | _ends(index, count, 78), index, 12, 12);
        word |= _lanes(first, end, segment);
        s.params = PublicWords.put(word, isPick ? i.shift(0) + segment * SEGMENT / 4 : 0, 42, 33);
    }

    /// @dev Number of the segment in its row, and the lanes of two bytes in it that bytes `first .. end - 1` of the row take.
    function _lanes(uint256 first, uint256 end, uint256 segment) private pure returns (uint256 word) {
        uint256 from = segment * SEGMENT;
        word = PublicWords.put(0, segment, 0, 12);
        word = PublicWords.put(word, first > from ? (first - from) / 2 : 0, 24, 9);
        word = PublicWords.put(word, Math.min(end - from, SEGMENT) / 2, 33, 9);
    }

    function _foldFlags(Instruction i, Element memory x) private pure returns (uint256 word) {
        word = PublicWords.put(0, i.opcode() - Opcodes.FOLD_SUMSQ, 75, 3);
        word |= PublicWords.flag(i.b().kind() == KIND_ROW, 80);
        // INVARIANT: the token that a step emits is the receipt's. Element 0 of the last row is it.
        if (!x.emits || i.role() != ROLE_TOKEN || x.element != 0) return word;
        return PublicWords.put(word | PublicWords.flag(true, 81), x.emitted, 82, 32);
    }

    function _attention(Statement memory s, Instruction i, Element memory x, uint256 out, uint256 index, uint256 count)
        private
        pure
    {
        bool isMix = i.opcode() == Opcodes.FOLD_MIX;
        s.cached = isMix || !_isMasked(i, x.t, x.element);
        (uint256 first, uint256 word) = isMix ? _mix(s, i, x, index) : _scores(s, i, x, index);
        s.reads = PublicWords.reads(out, _read(i.a(), x.t, first, 0), 0);
        word = PublicWords.put(word | _ends(index, count, 33) | PublicWords.flag(!s.cached, 36), index, 0, 24);
        s.params = word;
    }

    /// @dev One position a segment: one element of a, one lane of a chunk.
    /// @return first The element of a.
    /// @return word The parameters that only this fold knows.
    function _mix(Statement memory s, Instruction i, Element memory x, uint256 index)
        private
        pure
        returns (uint256 first, uint256 word)
    {
        uint256 size = i.shift(0);
        uint256 head = x.element / size;
        uint256 lane = _kvHead(i, i.a().length(), head) * size + x.element % size;
        (s.position, s.chunk) = (index, lane / LANES);
        first = head * (x.t + 1) + index;
        word = PublicWords.flag(true, 35) | _places(lane % LANES, 1);
    }

    /// @dev One chunk of the key a segment; of a masked score none. As for `_mix`.
    function _scores(Statement memory s, Instruction i, Element memory x, uint256 index)
        private
        pure
        returns (uint256 first, uint256 word)
    {
        word = PublicWords.put(0, i.shift(1), 37, 24);
        word = PublicWords.put(word, i.shift(2), 61, 6);
        if (!s.cached) return (0, word);
        uint256 head = x.element / (x.t + 1);
        uint256 start = _kvHead(i, i.outLength(), head) * i.shift(0);
        (s.position, s.chunk) = (x.element % (x.t + 1), start / LANES + index);
        uint256 from = Math.max(s.chunk * LANES, start);
        word |= _places(from % LANES, Math.min((s.chunk + 1) * LANES, start + i.shift(0)) - from);
        first = head * i.shift(0) + from - start;
    }

    /// @dev The first lane of a chunk that counts, and how many do.
    function _places(uint256 skip, uint256 lanes) private pure returns (uint256) {
        return PublicWords.put(PublicWords.put(0, skip, 24, 4), lanes, 28, 5);
    }

    /// @dev Whether the position of a score lies before the window.
    function _isMasked(Instruction i, uint256 t, uint256 e) private pure returns (bool) {
        uint256 window = i.shift(3);
        return window > 0 && e % (t + 1) + window <= t;
    }

    /// @dev The key-value head that query head `head` of `heads` reads.
    function _kvHead(Instruction i, uint256 heads, uint256 head) private pure returns (uint256) {
        return head / (heads / (i.b().length() / i.shift(0)));
    }

    /// @dev Elements of a for one of b.
    function _groupSize(Instruction i, uint256 t) private pure returns (uint256) {
        return i.a().rowLengthAt(t) / i.b().rowLengthAt(t);
    }

    /// @dev Bytes `first .. end - 1` of row a that a fold over a group takes in.
    function _groupBytes(Instruction i, uint256 t, uint256 e) private pure returns (uint256 first, uint256 end) {
        uint256 bytes_ = i.a().rowLengthAt(t) << i.a().elementType();
        if (i.opcode() == Opcodes.FOLD_PICK) return (0, bytes_);
        uint256 size = bytes_ / i.lengthAt(t);
        return (e * size, (e + 1) * size);
    }

    /// @dev Flags of the first and the last segment.
    function _ends(uint256 index, uint256 count, uint256 at) private pure returns (uint256) {
        return PublicWords.flag(index == 0, at) | PublicWords.flag(index + 1 == count, at + 1);
    }
}
