"""Writes the test vectors of the canonical machine, or checks that the committed ones are what this oracle makes."""

import argparse
import json
import sys
from pathlib import Path

import oracle as o
from cases import make_cases
from tiny_program import make_program_vector

SPEC = "machine/1"
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "vectors" / "machine"


def hexadecimal(data):
    return "0x" + data.hex()


def operand_json(data):
    return {
        "type": o.TYPE_NAMES[data.type],
        "rows": {str(k): hexadecimal(o.row_bytes(r)) for k, r in enumerate(data.rows)},
    }


def accumulator_json(value):
    return [str(v) for v in value] if isinstance(value, tuple) else str(value)


def blocks_json(case):
    """Accumulators of the first, the middle and the last element, if their folds have several blocks."""
    length = case.instruction.length(case.context.t)
    blocks = []
    for element in sorted({0, length // 2, length - 1}):
        states = o.accumulators(case.instruction, case.context, case.operands, element)
        if len(states) > 1:
            blocks.append({"element": element, "accumulators": [accumulator_json(v) for v in states]})
    return blocks


def case_json(case):
    context = case.context
    result = {
        "instructionHex": hexadecimal(case.instruction.encode()),
        "context": {
            "t": context.t,
            "nIn": context.n_in,
            "token": context.token,
            "requestHash": hexadecimal(context.request_hash),
            "temperature": context.temperature,
            "outputIndex": context.output_index,
        },
        "operands": {name: operand_json(d) for name, d in case.data.items() if d.kind != o.KIND_TOKEN},
        "out": {
            "type": o.TYPE_NAMES[case.instruction.out_type],
            "length": len(case.out),
            "data": hexadecimal(o.row_bytes(case.out)),
        },
    }
    blocks = blocks_json(case) if case.instruction.name in o.FOLDS else []
    if blocks:
        result["blocks"] = blocks
    return result


def lines(head, key, items):
    """A JSON object with one item of its list per line."""
    start = json.dumps(head)[:-1]
    body = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    return f'{start}, "{key}": [\n{body}\n]}}\n'


def make_files(seed):
    """All vector files as {name: text}."""
    files = {}
    for name in o.OPCODES:
        cases = [case_json(case) for case in make_cases(name, seed)]
        files[f"{name}.json"] = lines({"instruction": name, "spec": SPEC}, "cases", cases)
    files["program.json"] = make_program_vector(SPEC, seed)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the random values (default 1, the committed vectors)"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the vectors")
    parser.add_argument("--check", action="store_true", help="compare with the files in the folder and write nothing")
    arguments = parser.parse_args()

    files = make_files(arguments.seed)
    if arguments.check:
        present = {path.name for path in arguments.out.glob("*.json")}
        wrong = sorted(present ^ files.keys())
        wrong += [name for name in files if name in present and (arguments.out / name).read_text() != files[name]]
        for name in wrong:
            print(f"differs: {name}")
        print(f"{len(files) - len(wrong)} of {len(files)} files agree")
        return 1 if wrong else 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (arguments.out / name).write_text(text)
    print(f"wrote {len(files)} files, {sum(map(len, files.values()))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
