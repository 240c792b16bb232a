"""The test cases of every instruction: random values, extremes of every type, both ends of all limits."""

from dataclasses import dataclass

import oracle as o
from limits import check_limits
from oracle import I8, I16, I32, I64
from splitmix import SplitMix

LOW = tuple(-(1 << (8 * (1 << code) - 1)) for code in range(4))
HIGH = tuple(-v - 1 for v in LOW)
MAX_TOKEN = (1 << 32) - 1
MAX_TEMPERATURE = (1 << 32) - 1
REGIMES = ("honest", "full", "edge", "low", "high", "zero")


@dataclass
class Data:
    """An operand of a case: its rows and how an instruction names them."""

    kind: int
    type: int = 0
    rows: tuple = ()
    mode: int = 0
    t: int = 0

    def operand(self, rng):
        """The instruction's operand; index and cache slot are arbitrary, for a case has no program around it."""
        if self.kind == o.KIND_TOKEN:
            return o.Operand(o.KIND_TOKEN)
        length = len(self.rows[0]) // (self.t + 1 if self.mode == 1 else 1)
        count = {o.KIND_ROW: 0, o.KIND_CACHE: rng.between(0, 63), o.KIND_WEIGHTS: len(self.rows)}[self.kind]
        return o.Operand(self.kind, self.type, self.mode, rng.between(0, 199), length, count)


TOKEN = Data(o.KIND_TOKEN)


def row(code, values):
    return Data(o.KIND_ROW, code, (o.make_row(code, values),))


def per_position(code, values, t):
    return Data(o.KIND_ROW, code, (o.make_row(code, values),), 1, t)


def cache(code, rows):
    return Data(o.KIND_CACHE, code, tuple(o.make_row(code, r) for r in rows))


def weights(code, rows):
    return Data(o.KIND_WEIGHTS, code, tuple(o.make_row(code, r) for r in rows))


@dataclass
class Case:
    """One evaluated case."""

    instruction: o.Instruction
    context: o.Context
    operands: o.Operands
    data: dict
    out: object


class Cases:
    """Collects the cases of one instruction."""

    def __init__(self, name, seed):
        self.name = name
        self.rng = SplitMix(seed, name)
        self.list = []

    def values(self, code, n, regime, bits=None):
        """n values of a type. `honest` keeps to `bits` bits (by default what `sat` lets the type hold)."""
        bits = bits or min(o.SATURATION_BITS[code], 48)
        edges = (LOW[code], LOW[code] + 1, -2, -1, 0, 1, 2, HIGH[code] - 1, HIGH[code])
        pick = {
            "honest": lambda: self.rng.between(-((1 << bits) - 1), (1 << bits) - 1),
            "full": lambda: self.rng.between(LOW[code], HIGH[code]),
            "edge": lambda: self.rng.choice(edges),
            "low": lambda: LOW[code],
            "high": lambda: HIGH[code],
            "zero": lambda: 0,
        }[regime]
        return [pick() for _ in range(n)]

    def matrix(self, code, count, n, regime, bits=None):
        return [self.values(code, n, regime, bits) for _ in range(count)]

    def add(self, out_type, out_length, p=(), a=None, b=None, c=None, out_mode=0, t=None, role=0, **context):
        """Evaluates a case and keeps it. What the context does not state is random."""
        rng = self.rng
        t = rng.between(0, 40) if t is None else t
        n_in = context.get("n_in", rng.between(1, t + 4))
        token = context.get("token", rng.between(0, 50000))
        temperature = context.get("temperature", rng.choice((0, 1 << 16, rng.between(1, 1 << 18))))
        request_hash = context.get("request_hash", rng.data(32))
        data = {name: d for name, d in (("a", a), ("b", b), ("c", c)) if d is not None}
        slot = rng.between(0, 63) if role == o.ROLE_CACHED else 0
        named = {name: d.operand(rng) for name, d in data.items()}
        instruction = o.Instruction(self.name, out_type, out_length, out_mode, role, slot, p=tuple(p), **named)
        check_limits(instruction)
        assert o.Instruction.decode(instruction.encode()).encode() == instruction.encode()
        full = o.Context(t, n_in, token, request_hash, temperature)
        operands = o.Operands(**{name: list(d.rows) for name, d in data.items()})
        out = o.evaluate(instruction, full, operands)
        if self.name in o.FOLDS:
            assert (o.fold_by_blocks(instruction, full, operands) == out).all()
        self.list.append(Case(instruction, full, operands, data, out))


# ---------------------------------------------------------------------------------------------------------------- folds

GROUP_SHAPES = ((1, 1), (1, 5), (3, 7), (2, 128), (2, 129), (1, 300), (5, 33), (1, 641))


def fold_sumsq(s):
    for groups, size in GROUP_SHAPES:
        for regime in ("honest", "full"):
            s.add(I64, groups, a=row(I32, s.values(I32, groups * size, regime, 24)))
    for regime in ("edge", "low", "high", "zero"):
        for groups, size in ((4, 1), (4, 2), (3, 5), (1, 260)):
            s.add(I64, groups, a=row(I32, s.values(I32, groups * size, regime)))
    for t in (0, 6, 130):
        s.add(I64, 2, a=per_position(I32, s.values(I32, 2 * (t + 1), "honest", 20), t), t=t)


def fold_amax(s):
    for groups, size in GROUP_SHAPES:
        for regime in ("honest", "edge"):
            s.add(I32, groups, a=row(I32, s.values(I32, groups * size, regime, 20)))
    for regime in ("full", "low", "high", "zero"):
        for groups, size in ((3, 1), (2, 5), (1, 257)):
            s.add(I32, groups, a=row(I32, s.values(I32, groups * size, regime)))
    s.add(I32, 1, a=row(I32, [0] * 200 + [LOW[I32]]))
    s.add(I32, 1, a=row(I32, [LOW[I32] + 1] + [0] * 200))
    for t in (0, 6, 130):
        s.add(I32, 2, a=per_position(I32, s.values(I32, 2 * (t + 1), "full"), t), t=t)


def fold_max(s):
    for groups, size in GROUP_SHAPES:
        s.add(I32, groups, a=row(I32, s.values(I32, groups * size, "full")))
        initial = row(I32, s.values(I32, groups, "edge"))
        s.add(I32, groups, a=row(I32, s.values(I32, groups * size, "honest", 20)), b=initial)
    for regime in ("edge", "low", "high", "zero"):
        s.add(I32, 2, a=row(I32, s.values(I32, 10, regime)))
        for other in ("low", "high", "full"):
            s.add(I32, 3, a=row(I32, s.values(I32, 3 * 43, regime)), b=row(I32, s.values(I32, 3, other)))
    for t in (0, 1, 9, 140):
        s.add(I32, 3, a=per_position(I32, s.values(I32, 3 * (t + 1), "honest"), t), t=t)
        masked = [-HIGH[I32]] * (3 * (t + 1))
        s.add(I32, 3, a=per_position(I32, masked, t), b=row(I32, s.values(I32, 3, "full")), t=t)


def fold_sum(s):
    for code in (I16, I32):
        for groups, size in GROUP_SHAPES[1:]:
            s.add(I64, groups, a=row(code, s.values(code, groups * size, "full")))
            initial = row(I64, s.values(I64, groups, "honest"))
            s.add(I64, groups, a=row(code, s.values(code, groups * size, "honest")), b=initial)
        for regime in ("edge", "low", "high", "zero"):
            for other in ("low", "high", "edge"):
                s.add(I64, 2, a=row(code, s.values(code, 2 * 130, regime)), b=row(I64, s.values(I64, 2, other)))
        for t in (0, 7, 129):
            s.add(I64, 3, a=per_position(code, s.values(code, 3 * (t + 1), "full"), t), t=t)


def fold_pick(s):
    def pick(values, token, threshold, base=0, role=0):
        s.add(I64, 2, (base,), a=row(I32, values), b=row(I64, (token, threshold)), role=role)

    for n in (1, 5, 127, 128, 129, 300, 520):
        values = [s.rng.between(0, 1 << 24) for _ in range(n)]
        pick(values, -1, s.rng.between(0, sum(values)), s.rng.between(0, 1 << 17), o.ROLE_TOKEN)
        pick(s.values(I32, n, "full"), -1, s.rng.between(0, n << 28), s.rng.between(0, 1 << 17))
        pick(s.values(I32, n, "edge"), -1, s.rng.between(0, n << 29), HIGH[I32])
    greedy = [0] * 140
    greedy[130] = greedy[135] = 1
    pick(greedy, -1, 0, 2048, o.ROLE_TOKEN)  # the first of equals
    pick([0] * 140, -1, 0)  # nothing to pick
    pick([5, 5, 5, 5], -1, 5)  # a weight equal to the threshold is not picked
    pick([5, 5, 5, 5], -1, 4)
    pick([5, 5, 5, 5], -1, 19)
    pick([5, 5, 5, 5], -1, 20)
    pick([1] * 256, -1, 127)  # the last of the first block
    pick([1] * 256, -1, 128)  # the first of the second block
    pick([1] * 256, -1, 255)
    pick([1] * 256, -1, 256)
    pick([0, -5, LOW[I32], 3], -1, -1, 7)  # a negative threshold: weight 0 exceeds it
    pick([LOW[I32]] * 5, LOW[I64], LOW[I64], 7)
    pick([LOW[I32]] * 150, -1, 0, 7)
    pick([HIGH[I32]] * 150, -1, HIGH[I64], 7)
    for token in (0, 1, 77, HIGH[I64]):  # picked by an earlier segment
        pick(s.values(I32, 131, "full"), token, s.rng.between(0, 1 << 40), 1000)
        pick(s.values(I32, 3, "full"), token, LOW[I64], 1000)
    for token in (-2, LOW[I64], LOW[I64] + 1):
        pick([3, 4, 5], token, 100, 10)
        pick([3, 4, 5], token, 5, 10)


def fold_dot(s):
    def dot(code, k, n, regime, other):
        out = I32 if code == I8 else I64
        s.add(out, n, a=row(code, s.values(code, k, regime)), b=weights(I8, s.matrix(I8, n, k, other)))

    for code, lengths in (
        (I8, (1, 5, 31, 128, 512, 1023, 1024, 1025, 2048, 2100)),
        (I16, (1, 7, 511, 512, 513, 1024, 1536)),
    ):
        for k in lengths:
            dot(code, k, 3 if k < 600 else 2, "honest", "honest")
        for k in (1, 33, 600):
            dot(code, k, 3, "full", "full")
            dot(code, k, 3, "edge", "edge")
        for regime in ("low", "high", "zero"):
            for other in ("low", "high"):
                dot(code, 40, 2, regime, other)
        dot(code, 1700, 1, "low", "low")
        dot(code, 1700, 1, "low", "high")


HEAD_SHAPES = ((1, 1, 4), (2, 1, 8), (4, 2, 3), (6, 2, 5), (3, 3, 16))


def fold_scores(s):
    def scores(heads, kv_heads, d, t, mul, shift, window, regime="honest", other="honest"):
        q = row(I16, s.values(I16, heads * d, regime))
        keys = cache(I16, s.matrix(I16, t + 1, kv_heads * d, other))
        s.add(I32, heads, (d, mul, shift, window), a=q, b=keys, out_mode=1, t=t)

    top = (1 << 24) - 1
    for heads, kv_heads, d in HEAD_SHAPES:
        scores(heads, kv_heads, d, 0, 33427, 16, 0)
        scores(heads, kv_heads, d, 7, s.rng.between(1, top), 24, 0)
        scores(heads, kv_heads, d, 7, s.rng.between(1, top), 24, s.rng.between(1, 9), "full", "full")
    scores(2, 1, 256, 2, 92, 8, 0)
    scores(2, 2, 1, 3, 1, 0, 0)
    for window in (1, 2, 5, 6, 7, HIGH[I32]):
        scores(2, 1, 4, 5, 5000, 20, window)
    scores(1, 1, 4, 0, 5000, 20, 1)
    for regime, other in (("low", "low"), ("low", "high"), ("high", "high"), ("zero", "low"), ("edge", "edge")):
        scores(2, 1, 5, 2, 1, 0, 0, regime, other)
        scores(2, 1, 5, 2, top, 62, 0, regime, other)
        scores(2, 1, 5, 2, top, 0, 0, regime, other)
        scores(4, 2, 256, 1, top, 28, 1, regime, other)
    scores(2, 1, 3, 40, 123457, 18, 16, "edge", "edge")


def fold_mix(s):
    def mix(heads, kv_heads, d, t, regime="honest", other="honest"):
        a = per_position(I16, s.values(I16, heads * (t + 1), regime), t)
        v = cache(I16, s.matrix(I16, t + 1, kv_heads * d, other))
        s.add(I64, heads * d, (d,), a=a, b=v, t=t)

    for heads, kv_heads, d in HEAD_SHAPES:
        for t in (0, 1, 7):
            mix(heads, kv_heads, d, t)
            mix(heads, kv_heads, d, t, "edge", "full")
    mix(2, 1, 3, 60)
    mix(2, 2, 1, 20, "full", "full")
    mix(1, 1, 256, 2)
    for regime in ("low", "high", "zero"):
        for other in ("low", "high", "edge"):
            mix(4, 2, 3, 4, regime, other)


# ----------------------------------------------------------------------------------------------------------------- maps


def embed(s):
    def lookup(tokens, n, vocabulary, scale_rows, scale_length, shift, bits, regime="honest", other="honest"):
        table = weights(I8, s.matrix(I8, vocabulary, n, regime))
        scales = weights(I32, s.matrix(I32, scale_rows, scale_length, other))
        for token in tokens:
            s.add(I32, n, (shift, bits), a=TOKEN, b=table, c=scales, token=token)

    lookup((0, 1, 6, 9, 10, 11, 4000, MAX_TOKEN - 1, MAX_TOKEN), 5, 10, 1, 10, 12, 24)
    lookup((0, 3, 4, 7, 8, 9, 10, MAX_TOKEN), 9, 10, 3, 4, 20, 31)  # several scale rows
    lookup((5, 6, 7, MAX_TOKEN), 3, 7, 5, 3, 16, 20)  # more scales than tokens
    lookup((0, 1, MAX_TOKEN), 1, 1, 1, 1, 0, 31)
    for regime, other in (("low", "low"), ("high", "low"), ("edge", "edge"), ("full", "full"), ("zero", "low")):
        for shift, bits in ((0, 31), (62, 31), (0, 1), (8, 1), (1, 30)):
            lookup((1,), 8, 3, 2, 2, shift, bits, regime, other)


def rms(s):
    def one(values, n, eps, u, c):
        s.add(I64, len(values), (n, eps, u, c), a=row(I64, values))

    for length in (1, 4, 5, 33):
        one([s.rng.between(0, 1 << 48) for _ in range(length)], 4096, 168, 8, 50)
        one(
            s.values(I64, length, "full"),
            s.rng.between(1, 1 << 14),
            s.rng.between(1, 1 << 20),
            s.rng.between(0, 16),
            62,
        )
        one(s.values(I64, length, "edge"), s.rng.between(1, 9), s.rng.between(1, 9), s.rng.between(0, 16), 40)
    edge = (LOW[I64], LOW[I64] + 1, -1, 0, 1, 2, 3, 4, 8, 9, HIGH[I64] - 1, HIGH[I64])
    for n in (1, HIGH[I32]):
        for eps in (1, HIGH[I32]):
            for u in (0, 16):
                for c in (0, 62):
                    one(edge, n, eps, u, c)
    one([k * k - 1 for k in range(12)] + [k * k for k in range(12)], 1, 1, 0, 62)  # around perfect squares


def norm(s):
    def one(groups, size, s1, s2, regimes=("honest", "honest", "honest"), bits=(24, 40, 20)):
        a = row(I32, s.values(I32, groups * size, regimes[0], bits[0]))
        b = row(I64, s.values(I64, groups, regimes[1], bits[1]))
        c = weights(I32, [s.values(I32, size, regimes[2], bits[2])])
        s.add(I32, groups * size, (s1, s2), a=a, b=b, c=c)

    for groups, size in ((1, 1), (1, 13), (4, 8), (3, 5), (7, 1)):
        one(groups, size, 36, 14)
        one(groups, size, s.rng.between(50, 62), s.rng.between(20, 34), ("full", "full", "full"))
        one(groups, size, 0, 0, ("honest", "honest", "honest"), (8, 8, 8))
    for regimes in (("edge",) * 3, ("low",) * 3, ("high",) * 3, ("low", "high", "low"), ("zero", "low", "low")):
        for s1, s2 in ((0, 0), (62, 0), (0, 62), (62, 62), (40, 20)):
            one(2, 5, s1, s2, regimes)
    for half in ((1, -1, 3, -3, 5, -5), (2, -2, 6, -6, 4, -4)):  # ties round upwards
        s.add(I32, 6, (1, 1), a=row(I32, half), b=row(I64, (1,)), c=weights(I32, [(1, 1, 3, 3, -1, -1)]))


def quantize(s):
    for code in (I8, I16):
        for groups, size in ((1, 1), (1, 37), (4, 8), (3, 5)):
            values = s.values(I32, groups * size, "honest", 20)
            maxima = [max(abs(v) for v in values[g * size : (g + 1) * size]) for g in range(groups)]
            s.add(code, groups * size, a=row(I32, values), b=row(I32, maxima))
            full = row(I32, s.values(I32, groups * size, "full"))
            s.add(code, groups * size, a=full, b=row(I32, s.values(I32, groups, "full")))
        for regime in ("edge", "low", "high", "zero"):
            for other in (LOW[I32], -1, 0, 1, 2, HIGH[I32]):
                s.add(code, 6, a=row(I32, s.values(I32, 6, regime)), b=row(I32, (other, 254)))
        for t in (0, 4):
            a = per_position(I32, s.values(I32, 3 * (t + 1), "honest", 16), t)
            s.add(code, 3, a=a, b=row(I32, (40000, 0, 65535)), out_mode=1, t=t)
        s.add(code, 8, a=row(I32, range(-4, 4)), b=row(I32, (254,)))


def dequant(s):
    def one(code, n, p, regimes=("honest", "honest", "honest"), bits=(28, 20, 20), extra=0):
        a = row(code, s.values(code, n, regimes[0], bits[0]))
        b = row(I32, s.values(I32, 1, regimes[1], bits[1]))
        s.add(I32, n, p, a=a, b=b, c=weights(I32, [s.values(I32, n + extra, regimes[2], bits[2])]))

    for code in (I32, I64):
        for n, extra in ((1, 0), (7, 0), (32, 0), (9, 4)):
            one(code, n, (10, 31, 31, 22, 24), extra=extra)
            one(code, n, (0, 31, 31, 0, 31), bits=(6, 6, 6), extra=extra)
            one(code, n, (31, 31, 31, 31, 31), ("full",) * 3, extra=extra)
        for regimes in (("edge",) * 3, ("low",) * 3, ("high",) * 3, ("low", "high", "low"), ("zero", "low", "low")):
            for p in ((0, 31, 31, 0, 31), (62, 31, 31, 62, 31), (0, 61, 1, 0, 1), (0, 1, 61, 62, 31), (0, 1, 1, 1, 1)):
                one(code, 6, p, regimes)
    for p in ((30, 14, 48, 30, 31), (0, 61, 1, 62, 31), (2, 1, 61, 50, 24)):
        one(I64, 8, p, ("full",) * 3)
        one(I64, 8, p, ("edge",) * 3)


def add(s):
    def one(n, bits, regime, other, weight, role=0):
        values = s.values(I32, n, other)
        b = weights(I32, [values]) if weight else row(I32, values)
        s.add(I32, n, (bits,), a=row(I32, s.values(I32, n, regime)), b=b, role=role)

    for n in (1, 7, 8, 33):
        for weight in (False, True):
            one(n, 24, "honest", "honest", weight)
            one(n, 31, "full", "full", weight)
    for bits in (1, 24, 31):
        for regime in ("edge", "low", "high", "zero"):
            one(9, bits, regime, "edge", bits == 24)
            one(9, bits, regime, "low", bits != 24)
    s.add(I32, 5, (4,), a=row(I32, (-16, -15, 14, 15, 16)), b=row(I32, (0, -1, 1, 1, 0)))
    for t in (0, 5):
        a, b = (per_position(I32, s.values(I32, 3 * (t + 1), "full"), t) for _ in range(2))
        s.add(I32, 3, (31,), a=a, b=b, out_mode=1, t=t)


def rope(s):
    def one(heads, d, count, t, shift, regime="honest", other="honest", bits=18, role=0):
        a = row(I32, s.values(I32, heads * d, regime, bits))
        s.add(I16, heads * d, (shift,), a=a, b=weights(I16, s.matrix(I16, count, d, other)), t=t, role=role)

    for heads, d in ((1, 2), (3, 2), (2, 8), (1, 64), (5, 6)):
        for t in (0, 1, 5):
            one(heads, d, 6, t, 18, role=o.ROLE_CACHED if heads == 1 else 0)
    for t in (2, 3, 100):  # the table ends
        one(2, 4, 3, t, 17)
    one(2, 4, 1, 9, 17)
    for regime, other in (
        ("edge", "edge"),
        ("full", "full"),
        ("low", "low"),
        ("low", "high"),
        ("high", "low"),
        ("zero", "low"),
    ):
        for shift in (0, 1, 31, 62):
            one(2, 6, 4, s.rng.between(0, 6), shift, regime, other)


def rescale(s):
    for code in (I8, I16, I32):
        for n in (1, 5, 33):
            s.add(code, n, (1 << 10, 12), a=row(I32, s.values(I32, n, "honest", 16)))
            s.add(code, n, (s.rng.between(1, HIGH[I32]), s.rng.between(20, 62)), a=row(I32, s.values(I32, n, "full")))
        for mul in (1, HIGH[I32]):
            for shift in (0, 1, 62):
                s.add(
                    code,
                    9,
                    (mul, shift),
                    a=row(I32, (LOW[I32], LOW[I32] + 1, -3, -1, 0, 1, 3, HIGH[I32] - 1, HIGH[I32])),
                )
        s.add(code, 12, (1, 2), a=row(I32, range(-6, 6)))
        t = 3
        s.add(code, 2, (3, 4), a=per_position(I32, s.values(I32, 2 * (t + 1), "honest", 12), t), out_mode=1, t=t)
    s.add(I16, 6, (5, 3), a=row(I32, s.values(I32, 6, "honest", 14)), role=o.ROLE_CACHED)


def decay_table(tb):
    """About 2^30 * 2^-(i / 2^tb), linear between its ends: shape enough for a test."""
    return [(1 << 30) - ((i << 29) >> tb) for i in range(1 << tb)]


def exp2(s):
    def one(code, groups, size, f, tb, shift, regime="honest", other="honest", bits=(22, 22), table=None):
        a = row(I32, s.values(I32, groups * size, regime, bits[0]))
        b = row(I32, s.values(I32, groups, other, bits[1]))
        s.add(code, groups * size, (f, tb, shift), a=a, b=b, c=weights(I32, [table or decay_table(tb)]))

    for code in (I16, I32):
        for groups, size in ((1, 1), (1, 21), (4, 5), (3, 3)):
            one(code, groups, size, 16, 6, 16)
            one(code, groups, size, 20, 4, s.rng.between(0, 20), "full", "full")
        for t in (0, 1, 9):  # attention: one maximum per head
            values = s.values(I32, 3 * (t + 1), "honest", 19)
            maxima = [max(values[h * (t + 1) : (h + 1) * (t + 1)]) for h in range(3)]
            table = weights(I32, [decay_table(8)])
            a = per_position(I32, values, t)
            s.add(code, 3, (16, 8, 16), a=a, b=row(I32, maxima), c=table, out_mode=1, t=t)
        for regime, other in (("edge", "edge"), ("low", "high"), ("high", "low"), ("zero", "zero"), ("low", "low")):
            for f, tb, shift in ((1, 1, 0), (62, 1, 0), (5, 5, 62), (30, 3, 31), (31, 2, 61)):
                one(code, 2, 4, f, tb, shift, regime, other, table=s.values(I32, 1 << tb, "edge"))
        one(code, 1, 40, 10, 4, 0, bits=(16, 15), table=s.values(I32, 16, "full"))
        exact = [-(k << 4) for k in range(60, 66)] + [-(1 << 4) * 62 + 1, -(1 << 4) * 63 + 1]
        for shift in (0, 1, 30, 62):  # around n = 62
            c = weights(I32, [[LOW[I32], HIGH[I32]]])
            s.add(code, 8, (5, 1, shift), a=row(I32, exact), b=row(I32, (0,)), c=c)
    one(I32, 1, 50, 22, 16, 5)


def divide(s):
    def one(values, divisors, k):
        s.add(I32, len(values), (k,), a=row(I64, values), b=row(I64, divisors))

    for groups, size in ((1, 1), (1, 9), (4, 8), (3, 5)):
        divisors = [s.rng.between(1, 1 << 30) for _ in range(groups)]
        one(s.values(I64, groups * size, "honest", 40), divisors, 8)
        one(s.values(I64, groups * size, "full"), s.values(I64, groups, "full"), s.rng.between(0, 10))
        one(s.values(I64, groups * size, "edge"), s.values(I64, groups, "edge"), s.rng.between(0, 62))
    edge = (LOW[I64], LOW[I64] + 1, -3, -2, -1, 0, 1, 2, 3, HIGH[I64] - 1, HIGH[I64])
    for divisor in (LOW[I64], -1, 0, 1, 2, 3, 7, HIGH[I64]):
        for k in (0, 1, 62):
            one(edge, (divisor,), k)
    one(range(-10, 10), (4,), 0)  # ties
    one(range(-10, 10), (5,), 0)
    t = 4
    a = per_position(I64, s.values(I64, 2 * (t + 1), "honest", 30), t)
    s.add(I32, 2, (3,), a=a, b=row(I64, (12345, 0)), out_mode=1, t=t)


def gate(s):
    def one(n, table, p, regime="honest", other="honest", bits=(16, 20)):
        a = row(I32, s.values(I32, n, regime, bits[0]))
        s.add(I32, n, p, a=a, b=row(I32, s.values(I32, n, other, bits[1])), c=weights(I16, [table]))

    sigmoid = [(i << 14) // 63 for i in range(64)]
    for n in (1, 7, 33):
        one(n, sigmoid, (10, 14, 12))
        one(n, s.values(I16, 30, "full"), (12, 14, 12), "full", "full")
        one(n, s.values(I16, 256, "full"), (8, 14, 14))
    for table in (s.values(I16, 2, "edge"), s.values(I16, 10, "edge"), [LOW[I16]] * 4):
        for p in ((0, 0, 0), (62, 62, 62), (0, 62, 0), (28, 15, 31)):
            one(9, table, p, "edge", "edge")
            one(2, table, p, "low", "low")
            one(2, table, p, "high", "low")
    for p in ((20, 0, 32), (12, 5, 40)):  # the first product saturates, the second does not
        one(12, s.values(I16, 64, "full"), p, "full", "honest")
    ramp = [100 * i for i in range(8)]
    one_by_one = row(I32, range(-20, 20))
    for s1 in (0, 1, 2):  # every table entry, both clamped ends, ties
        s.add(I32, 40, (s1, 0, 0), a=one_by_one, b=row(I32, [1] * 40), c=weights(I16, [ramp]))


def weigh(s):
    def one(n, mul, tb, shift, temperature, regime="honest", top=None, bits=18, table=None):
        values = s.values(I32, n, regime, bits)
        top = max(values) if top is None else top
        table = weights(I32, [table or decay_table(tb)])
        s.add(I32, n, (mul, tb, shift), a=row(I32, values), b=row(I32, (top,)), c=table, temperature=temperature)

    for n in (1, 7, 40):
        for temperature in (0, 1 << 16, 52429, 3 << 16, 1 << 10):
            one(n, 5909, 6, 6, temperature)
    for temperature in (0, 1, 2, 65535, 65536, MAX_TEMPERATURE):
        for mul in (1, (1 << 24) - 1):
            one(9, mul, 1, 0, temperature, "edge", 0, table=s.values(I32, 2, "edge"))
            one(9, mul, 3, 31, temperature, "full", HIGH[I32], table=s.values(I32, 8, "edge"))
            one(9, mul, 4, 62, temperature, "edge", LOW[I32], table=s.values(I32, 16, "full"))
    for regime in ("low", "high", "zero"):
        for top in (LOW[I32], 0, HIGH[I32]):
            one(3, 1000, 2, 3, s.rng.choice((0, 40000)), regime, top)
    tie = row(I32, (5, 7, 7, -1, 8, 6))
    for temperature in (0, 65536):
        for top in (7, 8, 9):
            s.add(
                I32,
                6,
                (300, 4, 4),
                a=tie,
                b=row(I32, (top,)),
                c=weights(I32, [decay_table(4)]),
                temperature=temperature,
            )
    one(50, (1 << 24) - 1, 16, 2, 1, bits=6)  # the reciprocal temperature is capped


def draw(s):
    def one(total, **context):
        s.add(I64, 2, a=row(I64, (total,)), **context)

    for temperature in (0, 1, 65536, MAX_TEMPERATURE):
        for total in (LOW[I64], -1, 0, 1, 1 << 40, HIGH[I64]):
            one(total, temperature=temperature)
    for t, n_in in ((0, 1), (0, 5), (4, 5), (5, 5), (300, 2), (70000, 1), ((1 << 24) - 1, 1)):
        one(s.rng.between(1, 1 << 45), temperature=45000, t=t, n_in=n_in)
    for request_hash in (bytes(32), b"\xff" * 32, bytes(range(32))):
        one(HIGH[I64], temperature=1, t=2, n_in=2, request_hash=request_hash)
        one(1000, temperature=1 << 20, t=2, n_in=9, request_hash=request_hash)


GENERATORS = {
    "fold_sumsq": fold_sumsq, "fold_amax": fold_amax, "fold_max": fold_max, "fold_sum": fold_sum,
    "fold_pick": fold_pick, "fold_dot": fold_dot, "fold_scores": fold_scores, "fold_mix": fold_mix, "embed": embed,
    "rms": rms, "norm": norm,
    "quantize": quantize, "dequant": dequant, "add": add, "rope": rope, "rescale": rescale, "exp2": exp2,
    "divide": divide, "gate": gate, "weigh": weigh, "draw": draw,
}  # fmt: skip


def make_cases(name, seed):
    """All cases of one instruction."""
    cases = Cases(name, seed)
    GENERATORS[name](cases)
    assert len(cases.list) >= 24
    return cases.list
