"""A tiny whole program, in the order of docs/machine.md section 6: one layer, grouped heads, two vocabulary segments.

Fixed point: the residual stream, the heads' inputs and the logits have 12 fraction bits, q, k and v 10, angles 14,
attention weights 14, exponents 16. All tables come from decimal arithmetic, so that they are the same everywhere.
"""

import json
from decimal import Decimal, getcontext

import oracle as o
from limits import check_limits
from oracle import I8, I16, I32, I64, Instruction, Operand
from splitmix import SplitMix

HIDDEN, HEADS, KV_HEADS, D, INNER = 32, 4, 2, 8, 48
VOCABULARY, SEGMENTS = 40, (24, 16)
CONTEXT_LENGTH, WINDOW = 12, 5
ANGLE_BASE = 10000

getcontext().prec = 50


def _cosine_sine(x):
    """cos x and sin x by their power series (x is small)."""
    sums, term = [Decimal(0), Decimal(0)], Decimal(1)
    for k in range(1, 90):
        sums[(k - 1) % 2] += term if (k - 1) % 4 < 2 else -term
        term = term * x / k
    return sums


def _rounded(x):
    return int(x.to_integral_value())


def _rope_row(position):
    angles = [Decimal(position) / Decimal(ANGLE_BASE) ** (Decimal(2 * j) / D) for j in range(D // 2)]
    pairs = [_cosine_sine(angle) for angle in angles]
    return [_rounded(cos * (1 << 14)) for cos, _ in pairs] + [_rounded(sin * (1 << 14)) for _, sin in pairs]


def _decay_table(tb):
    return [_rounded((1 << 30) * Decimal(2) ** (Decimal(-i) / (1 << tb))) for i in range(1 << tb)]


def _sigmoid_table(size):
    """The sigmoid on -8 .. 8."""
    return [_rounded((1 << 14) / (1 + (-Decimal(i - size // 2) * 16 / size).exp())) for i in range(size)]


class Builder:
    """Appends instructions; every method returns the number of the instruction whose row it names."""

    def __init__(self, seed):
        self.rng = SplitMix(seed, "program")
        self.instructions = []
        self.weights = []
        self.cached = 0

    # operands

    def row(self, i):
        made = self.instructions[i]
        return Operand(o.KIND_ROW, made.out_type, made.out_mode, i, made.out_length, 0)

    def cache(self, i):
        made = self.instructions[i]
        return Operand(o.KIND_CACHE, made.out_type, 0, i, made.out_length, made.cache_slot)

    def range(self, code, rows):
        first = len(self.weights)
        self.weights += [o.make_row(code, values) for values in rows]
        return Operand(o.KIND_WEIGHTS, code, 0, first, len(rows[0]), len(rows))

    def random(self, count, length, low, high):
        return [[self.rng.between(low, high) for _ in range(length)] for _ in range(count)]

    # instructions

    def emit(self, name, out_type, out_length, p=(), a=o.NONE, b=o.NONE, c=o.NONE, out_mode=0, role=o.ROLE_PLAIN):
        slot = 0
        if role == o.ROLE_CACHED:
            slot, self.cached = self.cached, self.cached + 1
        instruction = Instruction(name, out_type, out_length, out_mode, role, slot, a, b, c, tuple(p))
        check_limits(instruction)
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def normalize(self, x, groups=1):
        length = self.instructions[x].out_length
        size = length // groups
        squares = self.emit("fold_sumsq", I64, groups, a=self.row(x))
        inverse = self.emit("rms", I64, groups, (size, 168, 8, 50), a=self.row(squares))
        gain = self.range(I32, self.random(1, size, 3 << 10, 5 << 10))
        return self.emit("norm", I32, length, (30, 12), a=self.row(x), b=self.row(inverse), c=gain)

    def quantize(self, x):
        maximum = self.emit("fold_amax", I32, 1, a=self.row(x))
        small = self.emit("quantize", I8, self.instructions[x].out_length, a=self.row(x), b=self.row(maximum))
        return small, maximum

    def linear(self, quantized, outputs):
        """Random weights of about 1 / sqrt(inputs): 127 stands for twice that."""
        x, maximum = quantized
        inputs = self.instructions[x].out_length
        matrix = self.range(I8, self.random(outputs, inputs, -127, 127))
        scale = _rounded(Decimal(1 << 31) / (127 * 127) / Decimal(inputs).sqrt())
        scales = self.range(I32, self.random(1, outputs, scale * 3 // 4, scale * 5 // 4))
        products = self.emit("fold_dot", I32, outputs, a=self.row(x), b=matrix)
        p = (10, 31, 31, 20, 24)
        return self.emit("dequant", I32, outputs, p, a=self.row(products), b=self.row(maximum), c=scales)

    def add(self, x, operand):
        return self.emit("add", I32, self.instructions[x].out_length, (24,), a=self.row(x), b=operand)

    def bias(self, x):
        return self.add(x, self.range(I32, self.random(1, self.instructions[x].out_length, -2000, 2000)))


def build(seed):
    """The program and its weights."""
    m = Builder(seed)
    table = m.range(I8, m.random(VOCABULARY, HIDDEN, -127, 127))
    scales = m.range(I32, m.random(2, VOCABULARY // 2, 10000, 20000))
    x = m.emit("embed", I32, HIDDEN, (8, 24), a=Operand(o.KIND_TOKEN), b=table, c=scales)

    # attention
    h = m.quantize(m.normalize(x))
    q = m.normalize(m.bias(m.linear(h, HEADS * D)), HEADS)
    k = m.normalize(m.bias(m.linear(h, KV_HEADS * D)), KV_HEADS)
    v = m.bias(m.linear(h, KV_HEADS * D))
    angles = m.range(I16, [_rope_row(t) for t in range(CONTEXT_LENGTH)])
    q = m.emit("rope", I16, HEADS * D, (16,), a=m.row(q), b=angles)
    k = m.emit("rope", I16, KV_HEADS * D, (16,), a=m.row(k), b=angles, role=o.ROLE_CACHED)
    v = m.emit("rescale", I16, KV_HEADS * D, (1 << 10, 12), a=m.row(v), role=o.ROLE_CACHED)
    p = (D, 33427, 20, WINDOW)  # log2(e) / sqrt(D) with 16 fraction bits, from 20 to 16 fraction bits
    scores = m.emit("fold_scores", I32, HEADS, p, a=m.row(q), b=m.cache(k), out_mode=1)
    top = m.emit("fold_max", I32, HEADS, a=m.row(scores))
    decay = m.range(I32, [_decay_table(6)])
    shares = m.emit("exp2", I16, HEADS, (16, 6, 16), a=m.row(scores), b=m.row(top), c=decay, out_mode=1)
    total = m.emit("fold_sum", I64, HEADS, a=m.row(shares))
    mixed = m.emit("fold_mix", I64, HEADS * D, (D,), a=m.row(shares), b=m.cache(v))
    y = m.emit("divide", I32, HEADS * D, (2,), a=m.row(mixed), b=m.row(total))
    x = m.add(x, m.row(m.linear(m.quantize(y), HIDDEN)))

    # feed forward
    h = m.quantize(m.normalize(x))
    left, right = m.linear(h, INNER), m.linear(h, INNER)
    sigmoid = m.range(I16, [_sigmoid_table(256)])
    y = m.emit("gate", I32, INNER, (8, 14, 12), a=m.row(left), b=m.row(right), c=sigmoid)
    x = m.add(x, m.row(m.linear(m.quantize(y), HIDDEN)))

    # head
    h = m.quantize(m.normalize(x))
    logits, best = [], o.NONE
    for size in SEGMENTS:
        logits.append(m.linear(h, size))
        best = m.row(m.emit("fold_max", I32, 1, a=m.row(logits[-1]), b=best))
    chances, total = [], o.NONE
    for segment in logits:
        size = m.instructions[segment].out_length
        chances.append(m.emit("weigh", I32, size, (1477, 6, 6), a=m.row(segment), b=best, c=decay))
        total = m.row(m.emit("fold_sum", I64, 1, a=m.row(chances[-1]), b=total))
    state = m.row(m.emit("draw", I64, 2, a=total))
    for segment in range(len(SEGMENTS)):
        role = o.ROLE_TOKEN if segment == len(SEGMENTS) - 1 else o.ROLE_PLAIN
        base = sum(SEGMENTS[:segment])
        state = m.row(m.emit("fold_pick", I64, 2, (base,), a=m.row(chances[segment]), b=state, role=role))
    return o.Program(m.instructions, m.weights)


def _runs(seed):
    """(name, prompt, steps, request hash, temperature) of every request."""
    rng = SplitMix(seed, "requests")
    return [
        ("greedy", [3, 17, 30], 10, rng.data(32), 0),
        ("temperature 0.7", [3, 17, 30], 10, rng.data(32), 45875),
        ("temperature 2, prompt of one token outside the vocabulary", [4000000000], 7, rng.data(32), 131072),
    ]


def _row_json(row):
    return {"type": o.TYPE_NAMES[row.itemsize.bit_length() - 1], "data": "0x" + o.row_bytes(row).hex()}


def _step_json(step):
    context = step.context
    return {
        "t": context.t,
        "token": context.token,
        "outputIndex": context.output_index,
        "recorded": step.recorded,
        "rows": ["0x" + o.row_bytes(row).hex() for row in step.rows],
    }


def make_program_vector(spec, seed):
    """The text of program.json."""
    program = build(seed)
    assert {i.name for i in program.instructions} == set(o.OPCODES), "the program uses every instruction"
    runs = []
    for name, prompt, steps, request_hash, temperature in _runs(seed):
        made = program.run(prompt, steps, request_hash, temperature)
        for step in made:
            check_blocks(program, made, step)
        runs.append(
            {
                "name": name,
                "prompt": prompt,
                "nIn": len(prompt),
                "requestHash": "0x" + request_hash.hex(),
                "temperature": temperature,
                "steps": [_step_json(step) for step in made],
            }
        )
    head = {
        "spec": spec,
        "contextLength": CONTEXT_LENGTH,
        "weightRows": len(program.weights),
        "names": [i.name for i in program.instructions],
        "instructions": ["0x" + i.encode().hex() for i in program.instructions],
        "weights": [_row_json(row) for row in program.weights],
        "runs": runs,
    }
    return _pretty(head) + "\n"


def _pretty(value):
    """JSON with one line per instruction, weight row and step."""
    if isinstance(value, dict) and ("runs" in value or "steps" in value):
        return "{\n" + ",\n".join(f"{json.dumps(k)}: {_pretty(v)}" for k, v in value.items()) + "\n}"
    if isinstance(value, list) and not isinstance(value[0], int):
        return "[\n" + ",\n".join(_pretty(v) for v in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))


def check_blocks(program, steps, step):
    """The folds of a step, block by block, give the step's rows again."""
    history = [earlier.rows for earlier in steps[: step.context.t]]
    for instruction, row in zip(program.instructions, step.rows, strict=True):
        if instruction.name in o.FOLDS:
            operands = program.operands(instruction, step.rows, history)
            assert (o.fold_by_blocks(instruction, step.context, operands) == row).all()
