"""Train, evaluate and sample the tale models on a CPU.

    python train.py train tale-2m --out artefacts/tale-2m --minutes 40
    python train.py evaluate tale-2m --out artefacts/tale-2m
    python train.py sample tale-2m --out artefacts/tale-2m --prompt "Tell me a story about a fox."

`train` keeps a checkpoint beside the artefacts (`--out` with `.checkpoint` appended) and goes on
from it when started again with `--resume`; the schedule follows the minutes spent training, or the
steps with `--steps`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from jinja2 import Template
from tokenizers import Tokenizer
from torch import Tensor

from corpus import END, PAD, Sampler, load, train_tokenizer, write_tokenizer
from model import SHAPES, Llama, read_model, write_model

IGNORE = -100


def learning_rate(peak: float, progress: float, warmup: float = 0.03) -> float:
    """Linear warm-up, then a half cosine down to a hundredth of the peak."""
    if progress < warmup:
        return peak * max(progress / warmup, 0.01)
    along = min((progress - warmup) / (1 - warmup), 1.0)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along)))


def optimizer_for(model: Llama, weight_decay: float) -> torch.optim.AdamW:
    """Weight decay on matrices only; norms are left free."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True)


# ---------------------------------------------------------------------------------------------
# Evaluation


def evaluation_rows(documents, tokenizer: Tokenizer, length: int) -> Tensor:
    """Every document cut once, from its start, into rows that begin with a sample (padded)."""
    sampler = Sampler(documents, tokenizer, length, seed=20)
    pad = sampler.ids[PAD]
    rows = []
    for index, flat in enumerate(sampler.flat):
        at, row = 0, []
        while at < len(flat):
            tokens, at = sampler.sample(index, at)
            row += tokens
            if len(row) > length or at >= len(flat):
                row = row[: length + 1]
                rows.append(row + [pad] * (length + 1 - len(row)))
                row = []
    return torch.tensor(rows)


@torch.no_grad()
def evaluate(model: Llama, rows: Tensor, tokenizer: Tokenizer) -> tuple[float, float]:
    """(nats per token, bits per byte of text) over all tokens but padding."""
    was = model.training
    model.eval()
    pad = tokenizer.token_to_id(PAD)
    total, count = 0.0, 0
    for batch in rows.split(16):
        logits = model(batch[:, :-1])
        target = batch[:, 1:].masked_fill(batch[:, 1:] == pad, IGNORE)
        total += F.cross_entropy(
            logits.float().flatten(0, 1), target.flatten(), ignore_index=IGNORE, reduction="sum"
        ).item()
        count += int((target != IGNORE).sum())
    size = sum(len(t.encode()) for t in tokenizer.decode_batch(rows[:, 1:].tolist()))
    model.train(was)
    return total / count, total / size / math.log(2)


@torch.no_grad()
def largest_values(model: Llama, rows: Tensor) -> dict[str, float]:
    """Largest magnitudes met on some rows: what a fixed-point machine has to hold."""
    found: dict[str, float] = {}

    def note(name: str):
        def hook(_module, _inputs, output):
            found[name] = max(found.get(name, 0.0), output.abs().max().item())

        return hook

    hooks = []
    for name, module in model.named_modules():
        kind = name.rsplit(".", 1)[-1]
        if kind.endswith(("_proj", "norm")):
            hooks.append(module.register_forward_hook(note(kind)))
        elif name.startswith("layers.") and name.count(".") == 1:
            hooks.append(module.register_forward_hook(note("residual")))
    logits = model(rows[:32, :-1])
    found["logit"] = logits.abs().max().item()
    for hook in hooks:
        hook.remove()
    return found


# ---------------------------------------------------------------------------------------------
# Generation


def render(tokenizer: Tokenizer, folder: Path, messages: list[dict[str, str]]) -> list[int]:
    template = Template((folder / "chat_template.jinja").read_text())
    text = template.render(messages=messages, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False).ids


@torch.no_grad()
def generate(model: Llama, ids: list[int], stop: int, limit: int, temperature: float) -> list[int]:
    out: list[int] = []
    while len(out) < limit and len(ids) + len(out) < model.s.max_positions:
        logits = model(torch.tensor([ids + out]))[0, -1].float()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            token = int(torch.multinomial((logits / temperature).softmax(-1), 1))
        if token == stop:
            break
        out.append(token)
    return out


PROMPTS = (
    "Once upon a time there was a little rabbit.",
    "Tell me a story about a fox.",
    "Alice looked at the Queen and said,",
    "Buster Bear was very hungry.",
    "The old man opened the door of the cottage, and saw",
    "Hello!",
)


def show_samples(model, tokenizer, folder, prompts, limit, temperature) -> None:
    stop = tokenizer.token_to_id(END)
    for prompt in prompts:
        ids = render(tokenizer, folder, [{"role": "user", "content": prompt}])
        for t in (0.0, temperature) if temperature else (0.0,):
            out = generate(model, ids, stop, limit, t)
            ended = "" if len(out) == limit else " [end]"
            print(f"--- {prompt}  (temperature {t})\n{tokenizer.decode(out)}{ended}\n")


# ---------------------------------------------------------------------------------------------
# Commands


def export(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_model(model, folder, tokenizer.token_to_id(END), tokenizer.token_to_id(PAD))
    write_tokenizer(tokenizer, folder, model.s.max_positions)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    documents, held, digest = load(args.cache)
    tokenizer = train_tokenizer(documents)
    print(f"text sha256 {digest}, {sum(d.size for d in documents)} bytes to train on", flush=True)
    shape = SHAPES[args.model]
    model = Llama(shape)
    optimizer = optimizer_for(model, args.weight_decay)
    sampler = Sampler(documents, tokenizer, args.length, args.seed)
    step, spent, seen = 0, 0.0, 0
    checkpoint = args.out.parent / f"{args.out.name}.checkpoint"
    if args.resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        sampler.rng.setstate(state["sampler"])
        torch.set_rng_state(state["torch"])
        step, spent, seen = state["step"], state["spent"], state["seen"]
        print(f"resumed at step {step}, {spent / 60:.1f} minutes", flush=True)
    rows = evaluation_rows(held, tokenizer, args.length)
    tales = evaluation_rows([d for d in held if d.book.tale], tokenizer, args.length)
    print(f"{args.model}: {model.count()} parameters, {len(rows)} rows held out", flush=True)

    def save() -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        partial = checkpoint.with_suffix(".partial")
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "sampler": sampler.rng.getstate(),
            "torch": torch.get_rng_state(),
            "step": step,
            "spent": spent,
            "seen": seen,
        }
        torch.save(state, partial)
        partial.replace(checkpoint)

    model.train()
    recent: list[float] = []
    saved, reported = time.monotonic(), 0
    while True:
        progress = step / args.steps if args.steps else spent / (60 * args.minutes)
        if progress >= 1:
            break
        began = time.monotonic()
        rate = learning_rate(args.learning_rate or shape.learning_rate, progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = torch.tensor([sampler.row(progress) for _ in range(args.batch)])
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        seen += args.batch * args.length
        spent += min(time.monotonic() - began, 60.0)
        recent.append(loss.item())
        if step % 50 == 0:
            progress = step / args.steps if args.steps else spent / (60 * args.minutes)
            eta = spent * (1 - progress) / max(progress, 1e-9)
            line = (
                f"step {step}  loss {sum(recent) / len(recent):.3f}  lr {rate:.1e}  "
                f"{seen / 1e6:.2f}M tokens  {seen / spent:.0f}/s  {100 * progress:.1f}%  "
                f"ETA {max(eta, 0) / 60:.1f} min"
            )
            recent.clear()
            if int(progress * 10) > reported:
                reported = int(progress * 10)
                nats, _ = evaluate(model, rows, tokenizer)
                tale_nats, _ = evaluate(model, tales, tokenizer)
                line += f"  held out {nats:.3f}, tales {tale_nats:.3f}"
            print(line, flush=True)
        if time.monotonic() - saved > 120:
            save()
            export(model, tokenizer, args.out)
            saved = time.monotonic()
    save()
    model.eval()
    export(model, tokenizer, args.out)
    report(model, tokenizer, args, documents, held)
    print(f"{step} steps, {seen} tokens, {spent / 60:.1f} minutes", flush=True)


def report(model: Llama, tokenizer: Tokenizer, args, documents, held) -> None:
    """Losses on training and held-out text, in float and with simulated int8."""
    results = {}
    tale = [d for d in documents if d.book.tale]
    sets = {
        "training text": evaluation_rows(documents, tokenizer, args.length)[::8],
        "training text, tales": evaluation_rows(tale, tokenizer, args.length)[::4],
        "held out": evaluation_rows(held, tokenizer, args.length),
        "held out, tales": evaluation_rows(
            [d for d in held if d.book.tale], tokenizer, args.length
        ),
    }
    for int8 in (False, True):
        model.set_int8(int8)
        for name, rows in sets.items():
            nats, bits = evaluate(model, rows, tokenizer)
            results[name + (", int8" if int8 else "")] = {
                "nats per token": round(nats, 4),
                "bits per byte": round(bits, 4),
            }
    model.set_int8(False)
    for name, values in results.items():
        print(f"{name:32} {values['nats per token']:.4f} nats  {values['bits per byte']:.4f} bits")
    largest = largest_values(model, sets["held out"])
    print("largest values:", json.dumps({k: round(v, 2) for k, v in largest.items()}), flush=True)


def existing(args: argparse.Namespace) -> tuple[Llama, Tokenizer]:
    tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json"))
    return read_model(args.out, SHAPES[args.model]), tokenizer


def evaluate_command(args: argparse.Namespace) -> None:
    documents, held, _ = load(args.cache)
    report(*existing(args), args, documents, held)


def sample_command(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    model, tokenizer = existing(args)
    model.set_int8(args.int8)
    prompts = args.prompt or PROMPTS
    show_samples(model, tokenizer, args.out, prompts, args.limit, args.temperature)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (
        ("train", train),
        ("evaluate", evaluate_command),
        ("sample", sample_command),
    ):
        p = commands.add_parser(name)
        p.set_defaults(run=run)
        p.add_argument("model", choices=SHAPES)
        p.add_argument("--out", type=Path, required=True, help="folder of the artefacts")
        p.add_argument("--cache", type=Path, default=Path(".cache"), help="folder for the text")
        p.add_argument("--threads", type=int, default=2)
        p.add_argument("--seed", type=int, default=1)
        p.add_argument("--length", type=int, default=256, help="tokens in a row")
    p = commands.choices["train"]
    p.add_argument("--minutes", type=float, default=40, help="time to spend in all")
    p.add_argument("--steps", type=int, help="count steps instead of minutes")
    p.add_argument("--batch", type=int, default=8, help="rows in a step")
    p.add_argument("--learning-rate", type=float)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    p = commands.choices["sample"]
    p.add_argument("--prompt", action="append")
    p.add_argument("--limit", type=int, default=160)
    p.add_argument("--temperature", type=float, default=0.7)
    p.add_argument("--int8", action="store_true", help="simulate int8 products")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sys.stdout.reconfigure(line_buffering=True)
    args.run(args)


if __name__ == "__main__":
    main()
