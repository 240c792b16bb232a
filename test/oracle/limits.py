"""The limits that a valid instruction obeys (docs/machine.md, sections 2 and 3). The vectors use no others."""

import oracle as o

MAX_LENGTH = 1 << 24


def _shift(*values):
    assert all(0 <= v <= 62 for v in values), "shift"


def _bits(value, most=31):
    assert 1 <= value <= most, "bits"


def _divides(small, large):
    assert small > 0 and large % small == 0, "divisibility"


def _grouped(large, large_mode, small, small_mode):
    """Stated lengths: equal modes, or a per-position row against one entry per head."""
    if large_mode == small_mode:
        _divides(small, large)
    else:
        assert (large_mode, small_mode) == (1, 0) and large == small, "groups"


def _table(operand, length):
    assert operand.kind == o.KIND_WEIGHTS and operand.count == 1 and operand.length == length, "table"


def check_limits(instruction):
    """Raises AssertionError if the instruction, taken alone, is not valid."""
    i, a, b, c = instruction, instruction.a, instruction.b, instruction.c
    p = tuple(i.p) + (0,) * (8 - len(i.p))
    name = i.name
    assert 1 <= i.out_length <= MAX_LENGTH and i.out_mode in (0, 1)
    assert i.cache_slot == 0 or i.role == o.ROLE_CACHED
    assert i.role != o.ROLE_CACHED or i.out_mode == 0
    assert i.role != o.ROLE_TOKEN or (i.out_type == o.I64 and i.out_length == 2 and i.out_mode == 0)
    for operand in (a, b, c):
        assert operand.kind in (o.KIND_NONE, o.KIND_TOKEN) or 1 <= operand.length <= MAX_LENGTH
        assert operand.kind != o.KIND_WEIGHTS or (operand.count >= 1 and operand.mode == 0)

    used = {
        "fold_pick": 1, "fold_scores": 4, "fold_mix": 1, "embed": 2, "rms": 4, "norm": 2, "dequant": 5, "add": 1,
        "rope": 1, "rescale": 2, "exp2": 3, "divide": 1, "gate": 3, "weigh": 3,
    }.get(name, 0)  # fmt: skip
    assert not any(p[used:]), "unused parameter"

    if name in ("fold_sumsq", "fold_amax", "fold_max", "fold_sum"):
        assert i.out_mode == 0
        _grouped(a.length, a.mode, i.out_length, i.out_mode)
        assert b.kind == o.KIND_NONE or (b.length, b.mode) == (i.out_length, 0)
    elif name == "fold_pick":
        assert p[0] >= 0 and i.out_length == 2 and b.length == 2
    elif name == "fold_dot":
        assert a.length == b.length and b.count == i.out_length
        assert i.out_type == (o.I32 if a.type == o.I8 else o.I64)
    elif name == "fold_scores":
        d, mul, shift, window = p[:4]
        assert 1 <= d <= 256 and 0 < mul < 1 << 24 and window >= 0 and i.out_mode == 1
        _shift(shift)
        assert a.length == i.out_length * d
        _divides(d, b.length)
        _divides(b.length // d, i.out_length)
    elif name == "fold_mix":
        d = p[0]
        assert d >= 1 and a.mode == 1 and i.out_length == a.length * d
        _divides(d, b.length)
        _divides(b.length // d, a.length)
    elif name == "embed":
        _shift(p[0])
        _bits(p[1])
        assert b.length == i.out_length and c.length * c.count >= b.count
    elif name == "rms":
        assert p[0] >= 1 and p[1] >= 1 and 0 <= p[2] <= 16 and i.out_length == a.length
        _shift(p[3])
    elif name == "norm":
        _shift(p[0], p[1])
        _grouped(i.out_length, 0, b.length, b.mode)
        _table(c, i.out_length // b.length)
    elif name == "quantize":
        assert i.out_type in (o.I8, o.I16)
        _grouped(i.out_length, i.out_mode, b.length, b.mode)
    elif name == "dequant":
        k, mbits, abits, s, bits = p[:5]
        _shift(k, s)
        _bits(mbits, 61)
        _bits(abits, 61)
        _bits(bits)
        assert abits + mbits <= 62 and b.length == 1 and c.count == 1 and c.length >= i.out_length
    elif name == "add":
        _bits(p[0])
        assert b.length == i.out_length and b.mode == i.out_mode and (b.kind == o.KIND_ROW or b.count == 1)
    elif name == "rope":
        _shift(p[0])
        _divides(b.length, i.out_length)
        _divides(2, b.length)
    elif name == "rescale":
        assert 1 <= p[0] < 1 << 31
        _shift(p[1])
    elif name == "exp2":
        f, tb, s = p[:3]
        assert 1 <= tb <= 16 and f >= tb
        _shift(f, s)
        _grouped(a.length, a.mode, b.length, b.mode)
        _table(c, 1 << tb)
    elif name == "divide":
        _shift(p[0])
        _grouped(a.length, a.mode, b.length, b.mode)
    elif name == "gate":
        _shift(*p[:3])
        _table(c, c.length)
        _divides(2, c.length)
    elif name == "weigh":
        mul, tb, s = p[:3]
        assert 1 <= mul < 1 << 24 and 1 <= tb <= 16
        _shift(s)
        assert b.length == 1
        _table(c, 1 << tb)
