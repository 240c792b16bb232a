import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** What must not stand in a kernel, and why. */
const FORBIDDEN = {
  assembly: [
    [/\bf(32|64)(x\d)?\b/, "floating point"],
    [/relaxed/i, "relaxed SIMD: its results differ between processors"],
    [/narrow|add_sat|sub_sat|q15mulr/, "saturating SIMD"],
  ],
  cpp: [
    [/\b(float|double)\b|_p[sd]\b|\b__m(128|256|512)d?\b(?!i)/, "floating point"],
    [/\bfloat(16|32|64)x\d/, "floating point"],
    [/maddubs|packs_|packus|adds_ep|subs_ep|dpbusds|dpwssds|vq(add|sub|dmul|movn)/, "saturating SIMD"],
    [/-ffast-math|-Ofast|#pragma\s+omp/, "anything that changes arithmetic"],
  ],
} as const;

const here = fileURLToPath(new URL("./", import.meta.url));
const files = (folder: string, ending: RegExp) =>
  readdirSync(join(here, folder))
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
const code = (file: string) => readFileSync(join(here, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

describe("no float and no saturation between prompt and answer", () => {
  it.each(files("wasm/assembly", /\.ts$/))("%s", (file) => {
    for (const [pattern, what] of FORBIDDEN.assembly) expect(code(file), what).not.toMatch(pattern);
  });

  it.each([...files("native", /\.(cpp|h)$/), "native/build.ts"])("%s", (file) => {
    for (const [pattern, what] of FORBIDDEN.cpp) expect(code(file), what).not.toMatch(pattern);
  });

  it("finds what it looks for", () => {
    for (const [bad, kind] of [
      ["let x: f64 = 0", "assembly"],
      ["i16x8.narrow_i32x4_s(a, b)", "assembly"],
      ["i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, c)", "assembly"],
      ["_mm256_maddubs_epi16(a, b)", "cpp"],
      ["float sum", "cpp"],
      ["__m256 x", "cpp"],
      ["_mm512_dpwssds_epi32(a, b, c)", "cpp"],
    ] as const)
      expect(FORBIDDEN[kind].some(([pattern]) => pattern.test(bad))).toBe(true);
    expect(FORBIDDEN.cpp.some(([pattern]) => pattern.test("__m256i x = _mm256_madd_epi16(a, b)"))).toBe(false);
  });

  it("asks the compiler for nothing of the kind", () => {
    const files = ["wasm/module.ts", "../wasm/compile.ts"].map((file) => readFileSync(join(here, file), "utf8"));
    const flags = files.map((text) => text.match(/const OPTIONS = \[[\s\S]*?\];/)![0]).join();
    expect(flags).not.toMatch(/relaxed/);
  });
});
