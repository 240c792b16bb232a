import { describe, expect, it } from "vitest";
import { type LlamaConfigInput, parseLlamaConfig } from "./config.ts";
import { ropeFrequencies } from "./rope.ts";
import { exp2Table, ropeTable, sigmoidTable } from "./tables.ts";

const BASE: LlamaConfigInput = {
  hidden_size: 128,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 8,
  vocab_size: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 500_000,
  max_position_embeddings: 16,
};

const frequencies = (scaling?: LlamaConfigInput["rope_scaling"]) =>
  ropeFrequencies(parseLlamaConfig({ ...BASE, rope_scaling: scaling }));

describe("rope", () => {
  it("falls from 1 by theta^(-2j / D)", () => {
    const plain = frequencies();
    expect(plain.length).toBe(32);
    expect(plain[0]).toBe(1);
    expect(plain[16]).toBeCloseTo(1 / Math.sqrt(500_000), 12);
  });

  it("scales linearly, or as Llama 3.1 does", () => {
    const plain = frequencies();
    expect(frequencies({ type: "linear", factor: 4 })).toEqual(plain.map((x) => x / 4));
    const llama = frequencies({
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
    expect(llama[0]).toBe(plain[0]);
    expect(llama[31]).toBeCloseTo(plain[31] / 8, 15);
    // Blended in between, and still falling.
    llama.forEach((x, j) => {
      expect(x <= plain[j] && x >= plain[j] / 8 && (j === 0 || x < llama[j - 1])).toBe(true);
    });
  });
});

describe("tables", () => {
  it("hold what they say", () => {
    const exp2 = exp2Table();
    expect([exp2.length, exp2[0], exp2[2048]]).toEqual([4096, 2 ** 30, Math.round(2 ** 29.5)]);
    const sigmoid = sigmoidTable();
    expect([sigmoid.length, sigmoid[0], sigmoid[8192], sigmoid[16_383]]).toEqual([16_384, 0, 16_384, 32_767]);
    expect(sigmoid[8192 + 512]).toBe(Math.round(32_768 / (1 + Math.exp(-1))));
    const rope = ropeTable(parseLlamaConfig(BASE));
    expect([rope.length, rope[0], rope[32]]).toEqual([16 * 64, 16_384, 0]);
    expect(rope[3 * 64 + 32]).toBe(Math.round(Math.sin(3) * 16_384));
  });
});
