"""NumPy oracle of the canonical machine, version 1: a writing of docs/machine.md, and of nothing else.

Rows are NumPy arrays of a little-endian integer type. Arithmetic happens on object arrays, whose elements are Python
integers, so that it is exact for every bit pattern. Clarity goes before speed.

    evaluate(instruction, context, operands)               -> the whole output row
    accumulators(instruction, context, operands, element)  -> a fold's accumulator after each block
    finish(instruction, element, accumulator)              -> the output element that the last accumulator gives
    Program(instructions, weights).run(...)                -> all rows and tokens of a request
"""

import math
import struct
from dataclasses import dataclass, field

import numpy as np

from keccak import keccak256

# -------------------------------------------------------------------------------------------------------------- numbers

I8, I16, I32, I64 = range(4)
DTYPES = ("<i1", "<i2", "<i4", "<i8")
TYPE_NAMES = ("i8", "i16", "i32", "i64")
SATURATION_BITS = (7, 15, 31, 63)


def ints(values):
    """An object array of Python integers: exact arithmetic, element by element."""
    result = np.empty(len(values), dtype=object)
    result[:] = [int(v) for v in values]
    return result


def at_least(x, lo):
    """max, of a Python integer or of an object array (never of a machine integer, whose promotion would be inexact)."""
    if isinstance(x, np.ndarray):
        assert x.dtype == object
        return np.maximum(x, lo)
    assert type(x) is int
    return max(x, lo)


def at_most(x, hi):
    return -at_least(-x, -hi)


def clamp(x, lo, hi):
    return at_most(at_least(x, lo), hi)


def sat(x, bits):
    """x clamped to the symmetric range of `bits` bits."""
    return clamp(x, -((1 << bits) - 1), (1 << bits) - 1)


def rshr(x, s):
    """Rounding shift right, halves upwards (Python's >> is the floor)."""
    return x if s == 0 else (x + (1 << (s - 1))) >> s


def fdiv(a, b):
    """floor(a / max(b, 1))."""
    return a // at_least(b, 1)


def isqrt(x):
    return math.isqrt(x) if x > 0 else 0


def make_row(type_code, values):
    """A typed row; a value that the type cannot hold is an error, never wrapped."""
    low, high = -(1 << (8 * (1 << type_code) - 1)), (1 << (8 * (1 << type_code) - 1)) - 1
    values = [int(v) for v in values]
    assert all(low <= v <= high for v in values), f"value beyond {TYPE_NAMES[type_code]}"
    return np.array(values, dtype=DTYPES[type_code])


def row_bytes(row):
    """The row's little-endian bytes, without padding."""
    return row.tobytes()


# --------------------------------------------------------------------------------------------------------- instructions

OPCODES = {
    "fold_sumsq": 0x01, "fold_amax": 0x02, "fold_max": 0x03, "fold_sum": 0x04,
    "fold_pick": 0x05, "fold_dot": 0x06, "fold_scores": 0x07, "fold_mix": 0x08,
    "embed": 0x20, "rms": 0x21, "norm": 0x22, "quantize": 0x23, "dequant": 0x24, "add": 0x25, "rope": 0x26,
    "rescale": 0x27, "exp2": 0x28, "divide": 0x29, "gate": 0x2A, "weigh": 0x2B, "draw": 0x2C,
}  # fmt: skip
NAMES = {code: name for name, code in OPCODES.items()}

KIND_NONE, KIND_ROW, KIND_CACHE, KIND_WEIGHTS, KIND_TOKEN = range(5)
ROLE_PLAIN, ROLE_CACHED, ROLE_TOKEN = range(3)
SENTINEL = (1 << 32) - 1


@dataclass(frozen=True)
class Operand:
    """One 16-byte operand of an instruction."""

    kind: int = KIND_NONE
    type: int = 0
    mode: int = 0
    index: int = 0
    length: int = 0
    count: int = 0

    def encode(self):
        return struct.pack(">BBBxIII", self.kind, self.type, self.mode, self.index, self.length, self.count)

    @staticmethod
    def decode(data):
        return Operand(*struct.unpack(">BBBxIII", data))


NONE = Operand()


@dataclass(frozen=True)
class Instruction:
    """One instruction; `encode` gives its 128 bytes."""

    name: str
    out_type: int
    out_length: int
    out_mode: int = 0
    role: int = ROLE_PLAIN
    cache_slot: int = 0
    a: Operand = NONE
    b: Operand = NONE
    c: Operand = NONE
    p: tuple = ()

    def length(self, t):
        """The number of elements of the row that this instruction makes at position t."""
        return self.out_length * (t + 1 if self.out_mode == 1 else 1)

    def encode(self):
        head = struct.pack(
            ">BBBBII", OPCODES[self.name], self.out_type, self.out_mode, self.role, self.out_length, self.cache_slot
        )
        parameters = struct.pack(">8i", *self.p, *([0] * (8 - len(self.p))))
        encoded = b"".join((head, bytes(20), self.a.encode(), self.b.encode(), self.c.encode(), bytes(16), parameters))
        assert len(encoded) == 128
        return encoded

    @staticmethod
    def decode(data):
        """The inverse of `encode`."""
        assert len(data) == 128
        opcode, out_type, out_mode, role, out_length, cache_slot = struct.unpack(">BBBBII", data[:12])
        a, b, c = (Operand.decode(data[i : i + 16]) for i in (32, 48, 64))
        parameters = struct.unpack(">8i", data[96:])
        result = Instruction(NAMES[opcode], out_type, out_length, out_mode, role, cache_slot, a, b, c, parameters)
        assert result.encode() == data, "a field that must be zero is not"
        return result


@dataclass(frozen=True)
class Context:
    """The input of a step."""

    t: int
    n_in: int
    token: int
    request_hash: bytes
    temperature: int

    @property
    def output_index(self):
        return max(self.t - (self.n_in - 1), 0)


@dataclass
class Operands:
    """The operands' rows: a row operand has one, a cache operand one per position, a weight range `count`."""

    a: list = field(default_factory=list)
    b: list = field(default_factory=list)
    c: list = field(default_factory=list)


def _parameters(instruction):
    return tuple(instruction.p) + (0,) * (8 - len(instruction.p))


def _element(row, index):
    return int(row[index])


# ---------------------------------------------------------------------------------------------------------------- folds

VECTOR_BLOCK = 128
DOT_BLOCK = 512
DOT_SINGLE = {I8: 1024, I16: 512}


def _split(start, stop, size):
    """The half-open ranges of at most `size` elements that cover start..stop, in order."""
    return [(low, min(low + size, stop)) for low in range(start, stop, size)]


def _group(instruction, operands, element):
    """The range of operand a that belongs to group `element`."""
    size = len(operands.a[0]) // instruction.out_length
    return element * size, (element + 1) * size


def _initial(operands, element, default):
    return _element(operands.b[0], element) if operands.b else default


def _running(initial, blocks, combine):
    """The accumulator after each block."""
    result, state = [], initial
    for block in blocks:
        state = combine(state, block)
        result.append(state)
    return result


def _vector_blocks(instruction, operands, element):
    """Operand a's elements of one group, cut into blocks, as object arrays."""
    row = operands.a[0]
    return [ints(row[low:high]) for low, high in _split(*_group(instruction, operands, element), VECTOR_BLOCK)]


def _fold_sumsq(instruction, context, operands, element):
    blocks = _vector_blocks(instruction, operands, element)
    return _running(0, blocks, lambda state, x: state + int((x * x).sum()))


def _fold_amax(instruction, context, operands, element):
    blocks = _vector_blocks(instruction, operands, element)
    return _running(0, blocks, lambda state, x: max(state, int(np.abs(x).max())))


def _fold_max(instruction, context, operands, element):
    blocks = _vector_blocks(instruction, operands, element)
    return _running(_initial(operands, element, -(1 << 31)), blocks, lambda state, x: max(state, int(x.max())))


def _fold_sum(instruction, context, operands, element):
    blocks = _vector_blocks(instruction, operands, element)
    return _running(_initial(operands, element, 0), blocks, lambda state, x: state + int(x.sum()))


def _fold_pick(instruction, context, operands, element):
    """State (token, threshold). Both output elements have this same fold over the whole row."""
    base, row = _parameters(instruction)[0], operands.a[0]

    def combine(state, block):
        token, threshold = state
        for k in range(*block):
            if token < 0:
                v = max(_element(row, k), 0)
                if v > threshold:
                    token = base + k
                else:
                    threshold -= v
        return token, threshold

    initial = (_element(operands.b[0], 0), _element(operands.b[0], 1))
    return _running(initial, _split(0, len(row), VECTOR_BLOCK), combine)


def _fold_dot(instruction, context, operands, element):
    x, w = operands.a[0], operands.b[element]
    size = len(x) if len(x) <= DOT_SINGLE[instruction.a.type] else DOT_BLOCK
    blocks = _split(0, len(x), size)
    return _running(0, blocks, lambda state, r: state + int((ints(x[slice(*r)]) * ints(w[slice(*r)])).sum()))


def _kv_head(h, heads, kv_heads):
    return h // (heads // kv_heads)


def _fold_scores(instruction, context, operands, element):
    """One block. The accumulator of a masked element is None: it reads nothing."""
    d, _, _, window = _parameters(instruction)[:4]
    h, p = divmod(element, context.t + 1)
    if window > 0 and p + window <= context.t:
        return [None]
    kv_row = operands.b[p]
    start = _kv_head(h, instruction.out_length, len(kv_row) // d) * d
    return [int((ints(operands.a[0][h * d : (h + 1) * d]) * ints(kv_row[start : start + d])).sum())]


def _fold_mix(instruction, context, operands, element):
    d = _parameters(instruction)[0]
    h, i = divmod(element, d)
    heads, positions = instruction.out_length // d, context.t + 1
    column = _kv_head(h, heads, len(operands.b[0]) // d) * d + i
    weights = operands.a[0]
    return _running(
        0,
        range(positions),
        lambda state, p: state + _element(weights, h * positions + p) * _element(operands.b[p], column),
    )


FOLDS = {
    "fold_sumsq": _fold_sumsq, "fold_amax": _fold_amax, "fold_max": _fold_max, "fold_sum": _fold_sum,
    "fold_pick": _fold_pick, "fold_dot": _fold_dot, "fold_scores": _fold_scores, "fold_mix": _fold_mix,
}  # fmt: skip


def accumulators(instruction, context, operands, element):
    """The exact accumulator of output element `element` after each of its blocks (for fold_pick a pair)."""
    return FOLDS[instruction.name](instruction, context, operands, element)


def finish(instruction, element, accumulator):
    """The output element that a fold's last accumulator gives."""
    if instruction.name == "fold_scores":
        _, mul, shift, _ = _parameters(instruction)[:4]
        return int(sat(rshr(accumulator * mul, shift), 31)) if accumulator is not None else -((1 << 31) - 1)
    if instruction.name == "fold_pick":
        accumulator = accumulator[element]
    return int(sat(accumulator, SATURATION_BITS[instruction.out_type]))


# Whole rows: the same folds without blocks, as vector formulas. The generator asserts that both writings agree.


def _groups(instruction, operands):
    return ints(operands.a[0]).reshape(instruction.out_length, -1)


def _initials(operands, groups, default):
    return ints(operands.b[0]) if operands.b else ints([default] * len(groups))


def _row_sumsq(instruction, context, operands):
    groups = _groups(instruction, operands)
    return (groups * groups).sum(axis=1)


def _row_amax(instruction, context, operands):
    return np.abs(_groups(instruction, operands)).max(axis=1)


def _row_max(instruction, context, operands):
    groups = _groups(instruction, operands)
    return np.maximum(groups.max(axis=1), _initials(operands, groups, -(1 << 31)))


def _row_sum(instruction, context, operands):
    groups = _groups(instruction, operands)
    return groups.sum(axis=1) + _initials(operands, groups, 0)


def _row_pick(instruction, context, operands):
    token, threshold = (int(x) for x in operands.b[0])
    if token >= 0:
        return ints([token, threshold])
    values = at_least(ints(operands.a[0]), 0)
    before = threshold - np.concatenate([ints([0]), np.cumsum(values)[:-1]])
    hits = np.flatnonzero(values > before)
    if len(hits) == 0:
        return ints([token, threshold - values.sum()])
    first = int(hits[0])
    return ints([_parameters(instruction)[0] + first, before[first]])


def _row_dot(instruction, context, operands):
    return np.stack([ints(row) for row in operands.b]) @ ints(operands.a[0])


def _heads_of_cache(cache, d, heads):
    """The cache as [position, head, i], every K or V head repeated for the heads that share it."""
    by_head = np.stack([ints(row) for row in cache]).reshape(len(cache), -1, d)
    return np.repeat(by_head, heads // by_head.shape[1], axis=1)


def _row_scores(instruction, context, operands):
    d, mul, shift, window = _parameters(instruction)[:4]
    heads = instruction.out_length
    q = ints(operands.a[0]).reshape(heads, d)
    scores = (_heads_of_cache(operands.b, d, heads) * q).sum(axis=2).T
    scores = sat(rshr(scores * mul, shift), 31)
    if window > 0:
        scores[:, np.arange(context.t + 1) + window <= context.t] = -((1 << 31) - 1)
    return scores.reshape(-1)


def _row_mix(instruction, context, operands):
    d = _parameters(instruction)[0]
    heads = instruction.out_length // d
    weights = ints(operands.a[0]).reshape(heads, context.t + 1).T
    return (_heads_of_cache(operands.b, d, heads) * weights[:, :, None]).sum(axis=0).reshape(-1)


FOLD_ROWS = {
    "fold_sumsq": _row_sumsq, "fold_amax": _row_amax, "fold_max": _row_max, "fold_sum": _row_sum,
    "fold_pick": _row_pick, "fold_dot": _row_dot, "fold_scores": _row_scores, "fold_mix": _row_mix,
}  # fmt: skip


def _whole_fold(instruction, context, operands):
    return sat(FOLD_ROWS[instruction.name](instruction, context, operands), SATURATION_BITS[instruction.out_type])


def fold_by_blocks(instruction, context, operands):
    """The whole row of a fold, element by element and block by block: equal to what `evaluate` gives."""
    values = [
        finish(instruction, e, accumulators(instruction, context, operands, e)[-1])
        for e in range(instruction.length(context.t))
    ]
    return make_row(instruction.out_type, values)


# ----------------------------------------------------------------------------------------------------------------- maps


def _spread(row, n):
    """A grouped operand, stretched to n elements: entry e is row[e div g] with g = n / len(row)."""
    return np.repeat(ints(row), n // len(row))


def _lookup(table, indices):
    return ints([table[i] for i in indices])


def _decay(table, i, tb, s, bits):
    """2^-i in fixed point: the table gives the fraction, the shift the integer part. i is an object array."""
    out = []
    for v in i:
        n = (v >> tb) + s
        out.append(0 if n > 62 else sat(rshr(_element(table, v % (1 << tb)), n), bits))
    return out


def _embed(instruction, context, operands):
    shift, bits = _parameters(instruction)[:2]
    tok = min(context.token, instruction.b.count - 1)
    scales = operands.c
    length = instruction.c.length
    scale = _element(scales[min(tok // length, instruction.c.count - 1)], tok % length)
    return sat(rshr(ints(operands.b[tok]) * scale, shift), bits)


def _rms(instruction, context, operands):
    n, eps, u, c = _parameters(instruction)[:4]
    squares = fdiv(at_least(ints(operands.a[0]), 0), n) + eps
    roots = ints([isqrt(x << (2 * u)) for x in squares])
    return fdiv(ints([1 << c] * len(roots)), roots)


def _norm(instruction, context, operands):
    s1, s2 = _parameters(instruction)[:2]
    a, gain = ints(operands.a[0]), ints(operands.c[0])
    x = sat(rshr(a * _spread(operands.b[0], len(a)), s1), 31)
    return sat(rshr(x * np.tile(gain, len(a) // len(gain)), s2), 31)


def _quantize(instruction, context, operands):
    bits = SATURATION_BITS[instruction.out_type]
    a = ints(operands.a[0])
    maxima = _spread(operands.b[0], len(a))
    inverse = fdiv(ints([((1 << bits) - 1) << 47] * len(a)), maxima)
    return sat(rshr(a * inverse, 47), bits)


def _dequant(instruction, context, operands):
    k, mbits, abits, s, bits = _parameters(instruction)[:5]
    a = ints(operands.a[0])
    m = sat(rshr(_element(operands.b[0], 0) * ints(operands.c[0][: len(a)]), k), mbits)
    return sat(rshr(sat(a, abits) * m, s), bits)


def _add(instruction, context, operands):
    return sat(ints(operands.a[0]) + ints(operands.b[0]), _parameters(instruction)[0])


def _rope(instruction, context, operands):
    shift = _parameters(instruction)[0]
    d = instruction.b.length
    half = d // 2
    table = ints(operands.b[min(context.t, instruction.b.count - 1)])
    cos, sin = table[:half], table[half:]
    pairs = ints(operands.a[0]).reshape(-1, 2, half)
    low, high = pairs[:, 0, :], pairs[:, 1, :]
    turned = np.stack([low * cos - high * sin, high * cos + low * sin], axis=1)
    return sat(rshr(turned.reshape(-1), shift), 15)


def _rescale(instruction, context, operands):
    mul, s = _parameters(instruction)[:2]
    return sat(rshr(ints(operands.a[0]) * mul, s), SATURATION_BITS[instruction.out_type])


def _exp2(instruction, context, operands):
    f, tb, s = _parameters(instruction)[:3]
    a = ints(operands.a[0])
    x = at_least(_spread(operands.b[0], len(a)) - a, 0)
    return _decay(operands.c[0], rshr(x, f - tb), tb, s, SATURATION_BITS[instruction.out_type])


def _divide(instruction, context, operands):
    k = _parameters(instruction)[0]
    a = ints(operands.a[0])
    d = at_least(_spread(operands.b[0], len(a)), 1)
    return sat(fdiv(a * (1 << k) + d // 2, d), 31)


def _gate(instruction, context, operands):
    s1, s2, s3 = _parameters(instruction)[:3]
    a, b, table = ints(operands.a[0]), ints(operands.b[0]), operands.c[0]
    size = len(table)
    w = _lookup(table, clamp(rshr(a, s1) + size // 2, 0, size - 1))
    x = sat(rshr(a * w, s2), 31)
    return sat(rshr(x * b, s3), 31)


def _weigh(instruction, context, operands):
    mul, tb, s = _parameters(instruction)[:3]
    a, top = ints(operands.a[0]), _element(operands.b[0], 0)
    if context.temperature == 0:
        return [1 if v >= top else 0 for v in a]
    inverse = min(int(fdiv(mul << 16, context.temperature)), (1 << 31) - 1)
    return _decay(operands.c[0], rshr(at_least(top - a, 0) * inverse, 16), tb, s, 31)


def _draw(instruction, context, operands):
    if context.temperature == 0:
        return [-1, 0]
    digest = keccak256(context.request_hash + context.output_index.to_bytes(32, "big"))
    r = int.from_bytes(digest[:8], "big")
    return [-1, sat((r * max(_element(operands.a[0], 0), 0)) >> 64, 63)]


MAPS = {
    "embed": _embed, "rms": _rms, "norm": _norm, "quantize": _quantize, "dequant": _dequant, "add": _add, "rope": _rope,
    "rescale": _rescale, "exp2": _exp2, "divide": _divide, "gate": _gate, "weigh": _weigh, "draw": _draw,
}  # fmt: skip


def evaluate(instruction, context, operands):
    """The whole row that `instruction` makes."""
    length = instruction.length(context.t)
    values = MAPS.get(instruction.name, _whole_fold)(instruction, context, operands)
    assert len(values) == length, f"{instruction.name}: {len(values)} elements, {length} stated"
    return make_row(instruction.out_type, values)


# ------------------------------------------------------------------------------------------------------------- programs


@dataclass
class Step:
    """One step of a run: the context, every row, and the token that the record holds."""

    context: Context
    rows: list
    recorded: int


class Program:
    """A program with its weight rows (typed arrays, numbered over the whole model)."""

    def __init__(self, instructions, weights):
        self.instructions = instructions
        self.weights = weights

    def _operand(self, operand, rows, history):
        if operand.kind == KIND_ROW:
            found = [rows[operand.index]]
        elif operand.kind == KIND_CACHE:
            found = [past[operand.index] for past in history] + [rows[operand.index]]
        elif operand.kind == KIND_WEIGHTS:
            found = self.weights[operand.index : operand.index + operand.count]
        else:
            return []
        assert all(row.dtype == np.dtype(DTYPES[operand.type]) for row in found)
        return found

    def operands(self, instruction, rows, history):
        """What an instruction reads: from `rows` of this step (at least those before it) and `history`."""
        return Operands(
            *(self._operand(operand, rows, history) for operand in (instruction.a, instruction.b, instruction.c))
        )

    def step(self, context, history):
        """All rows of one step; `history` has the rows of the earlier ones."""
        rows = []
        for instruction in self.instructions:
            rows.append(evaluate(instruction, context, self.operands(instruction, rows, history)))
        return rows

    def run(self, prompt, steps, request_hash, temperature):
        """The steps of one request."""
        result, history = [], []
        for t in range(steps):
            token = prompt[t] if t < len(prompt) else result[-1].recorded
            context = Context(t, len(prompt), token, request_hash, temperature)
            rows = self.step(context, history)
            history.append(rows)
            made = int(clamp(_element(rows[-1], 0), 0, (1 << 32) - 2))
            result.append(Step(context, rows, made if t >= len(prompt) - 1 else SENTINEL))
        return result
