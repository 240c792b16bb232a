import { describe, expect, it } from "vitest";
import { fromHex, type Hex, hashWords, toHex, word } from "./bytes.ts";
import { recordLeaf, saltKey, saltOf, secretOf, seedOf, tokenTree } from "./record.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";

const SECRET: Hex = `0x${"5e".repeat(32)}`;

describe("secrets", () => {
  it("are the seed of a public request, and behind the seed of a confidential one", () => {
    expect(seedOf(false, SECRET)).toBe(SECRET);
    expect(seedOf(true, SECRET)).toBe(toHex(hashWords(TAGS.secret, fromHex(SECRET))));
  });

  it("are refused unless the seed commits to them", () => {
    const hidden = { confidential: true, seed: seedOf(true, SECRET) };
    expect(secretOf(hidden, SECRET)).toBe(SECRET);
    expect(secretOf(hidden, hidden.seed)).toBeUndefined();
    expect(secretOf(hidden, undefined)).toBeUndefined();
  });

  it("are the seed itself of a public request, which brings none", () => {
    const open = { confidential: false, seed: SECRET };
    expect(secretOf(open, undefined)).toBe(SECRET);
    expect(secretOf(open, SECRET)).toBeUndefined();
  });

  it("do not show in the salts: the request opens no commitment of a confidential answer", () => {
    const salting = { requester: `0x${"01".repeat(20)}`, nonce: 3n };
    const shown = saltKey({ ...salting, secret: seedOf(true, SECRET) });
    expect(toHex(shown)).not.toBe(toHex(saltKey({ ...salting, secret: SECRET })));
  });
});

/** What `SaltLib` must make of the same request; test/SaltLib.t.sol reads the file. */
function vector(confidential: boolean, nonce: bigint, count: number) {
  const requester: Hex = `0x${(nonce + 0xab00n).toString(16).padStart(40, "0")}`;
  const secret = toHex(hashWords(word(7n), nonce));
  const key = saltKey({ requester, secret, nonce });
  const tokens = Array.from({ length: count }, (_, i) => (i * 0x9e3779b1) % 0xffffffff);
  const records = tokens.map((token, i) => {
    const cacheRoot = hashWords(word(8n), i);
    return recordLeaf({ salt: saltOf(key, "record", 5 + i), token, cacheRoot });
  });
  return {
    confidential,
    requester,
    nonce: Number(nonce),
    secret,
    seed: seedOf(confidential, secret),
    saltKey: toHex(key),
    salts: (["input", "output", "record"] as const).map((kind) => toHex(saltOf(key, kind, 9))),
    tokens,
    inputRoot: toHex(tokenTree(key, "input", tokens).root(TAGS.input)),
    outputRoot: toHex(tokenTree(key, "output", tokens).root(TAGS.output)),
    recordsRoot: toHex(Tree.of(records).root(TAGS.trace)),
  };
}

it("agrees with SaltLib", async () => {
  const cases = [vector(false, 0n, 1), vector(true, 1n, 2), vector(false, 2n ** 40n, 7), vector(true, 77n, 33)];
  await expect(`${JSON.stringify({ cases }, null, 2)}\n`).toMatchFileSnapshot("../../test/vectors/salts.json");
});
