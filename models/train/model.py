"""A small Llama-family language model in plain PyTorch, with Hugging Face tensor names."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    dropout: float
    learning_rate: float
    head_dim: int = 32
    vocab: int = 2048
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    max_positions: int = 512


SHAPES = {
    "tale-2m": Shape(192, 5, 6, 2, 512, dropout=0.1, learning_rate=2e-3),
    "tale-300k": Shape(64, 3, 2, 1, 192, dropout=0.0, learning_rate=4e-3),
}


def fake_int8(x: Tensor) -> Tensor:
    """Round every row (last dimension) to the int8 grid of its own largest magnitude."""
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-8) / 127
    return (x / scale).round().clamp(-127, 127) * scale


class Linear(nn.Linear):
    """A product without bias; `int8` simulates int8 weights per output and activations per row."""

    int8 = False

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.int8:
            return F.linear(fake_int8(x), fake_int8(self.weight))
        return F.linear(x, self.weight)


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, the two halves of a head paired (x[i] with x[i + head_dim / 2])."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.s = s
        self.q_proj = Linear(s.hidden, s.heads * s.head_dim)
        self.k_proj = Linear(s.hidden, s.kv_heads * s.head_dim)
        self.v_proj = Linear(s.hidden, s.kv_heads * s.head_dim)
        self.o_proj = Linear(s.heads * s.head_dim, s.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        s, (batch, length, _) = self.s, x.shape
        q = self.q_proj(x).view(batch, length, s.heads, s.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        # Written out: on a CPU this is faster to train than the fused kernel. The heads that
        # share a key head are laid one after another along the rows of one product.
        group = s.heads // s.kv_heads
        q = (q * s.head_dim**-0.5).reshape(batch, s.kv_heads, group * length, s.head_dim)
        scores = (q @ k.transpose(2, 3)).view(batch, s.kv_heads, group, length, length)
        probability = (scores.float() + mask).softmax(-1).to(v.dtype)
        out = probability.view(batch, s.kv_heads, group * length, length) @ v
        out = out.view(batch, s.heads, length, s.head_dim)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.gate_proj = Linear(s.hidden, s.intermediate)
        self.up_proj = Linear(s.hidden, s.intermediate)
        self.down_proj = Linear(s.intermediate, s.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.input_layernorm = RMSNorm(s.hidden, s.norm_eps)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = RMSNorm(s.hidden, s.norm_eps)
        self.mlp = Mlp(s)
        self.drop = nn.Dropout(s.dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin, mask))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))


class Llama(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.s = s
        self.embed_tokens = nn.Embedding(s.vocab, s.hidden)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = RMSNorm(s.hidden, s.norm_eps)
        self.drop = nn.Dropout(s.dropout)
        self.int8 = False
        frequency = s.rope_theta ** (-torch.arange(0, s.head_dim, 2).float() / s.head_dim)
        angle = torch.arange(s.max_positions).float()[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else 0.6 / math.sqrt(p.shape[1])
                if "o_proj" in name or "down_proj" in name:
                    std /= math.sqrt(2 * s.layers)
                nn.init.normal_(p, std=std)

    def set_int8(self, on: bool) -> None:
        self.int8 = on
        for module in self.modules():
            if isinstance(module, Linear):
                module.int8 = on

    def hidden(self, tokens: Tensor) -> Tensor:
        table = fake_int8(self.embed_tokens.weight) if self.int8 else self.embed_tokens.weight
        x = self.drop(F.embedding(tokens, table))
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        length = tokens.shape[1]
        mask = torch.full((length, length), -torch.inf).triu(1)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        x, head = self.hidden(tokens), self.embed_tokens.weight
        if self.int8:
            x, head = fake_int8(x), fake_int8(head)
        return F.linear(x, head)

    def count(self) -> int:
        return sum(p.numel() for p in self.parameters())


def write_model(model: Llama, folder: Path, end: int, pad: int) -> None:
    """config.json, generation_config.json and model.safetensors, as Hugging Face writes them."""
    s = model.s
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": end,
        "head_dim": s.head_dim,
        "hidden_act": "silu",
        "hidden_size": s.hidden,
        "initializer_range": 0.02,
        "intermediate_size": s.intermediate,
        "max_position_embeddings": s.max_positions,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv_heads,
        "pad_token_id": pad,
        "rms_norm_eps": s.norm_eps,
        "rope_scaling": None,
        "rope_theta": s.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": s.vocab,
    }
    generation = {
        "do_sample": True,
        "eos_token_id": end,
        "max_new_tokens": 200,
        "pad_token_id": pad,
        "temperature": 0.7,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    tensors = {f"model.{k}": v.float().contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def read_model(folder: Path, shape: Shape) -> Llama:
    model = Llama(shape)
    tensors = load_file(str(folder / "model.safetensors"))
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items()})
    return model.eval()
