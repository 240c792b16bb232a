import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { equal } from "./bytes.ts";
import { cacheFolder } from "./cache-folder.ts";
import { DigestTree } from "./digest-tree.ts";
import { kernelModule } from "./kernel-module.ts";
import { PoseidonTree, poseidonRow } from "./poseidon.ts";
import { DIGEST, digestBytes, digestInteger, digestStart, PoseidonKernel, poseidonTables } from "./poseidon-kernel.ts";
import { FIELD } from "./poseidon-parameters.ts";
import { rowLeaf } from "./row.ts";
import { leafHead, RowKernel } from "./row-kernel.ts";
import { Tree } from "./tree.ts";

let cache: string;
let poseidon: PoseidonKernel;
let rows: RowKernel;
beforeAll(async () => {
  cache = mkdtempSync(join(tmpdir(), "otr-kernels-"));
  poseidon = new PoseidonKernel(await kernelModule("poseidon", cache), poseidonTables());
  rows = new RowKernel(await kernelModule("rows", cache));
});
afterAll(() => rmSync(cache, { recursive: true }));

/** Bytes at the edges of a limb, a chunk, a node; contents at the edges of the field's limbs. */
const rowBytes = fc.oneof(
  fc.constantFrom(1, 30, 31, 32, 33, 62, 64, 495, 496, 497, 576, 16 * 496, 16 * 496 + 1),
  fc.integer({ min: 1, max: 1000 }),
);
const content = (length: number) =>
  fc.oneof(
    fc.uint8Array({ minLength: length, maxLength: length }),
    fc.constantFrom(0, 1, 127, 128, 255).map((byte) => new Uint8Array(length).fill(byte)),
  );
const someRows = (max: number) =>
  rowBytes.chain((length) => fc.array(content(length), { minLength: 1, maxLength: max }));
const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const pieces = (bytes: Uint8Array) =>
  Array.from({ length: bytes.length / 32 }, (_, i) => bytes.slice(i * 32, i * 32 + 32));
const typeCode = fc.constantFrom(0, 1, 2, 3);

describe("the Poseidon kernel", () => {
  it("gives the digests of the specification", () => {
    fc.assert(
      fc.property(someRows(3), typeCode, (parts, code) => {
        const length = parts[0].length;
        const got = pieces(poseidon.rows(digestStart(code, length), joined(parts), parts.length)).map(digestInteger);
        expect(got).toEqual(parts.map((bytes) => poseidonRow({ typeCode: code, length, bytes })));
      }),
      { numRuns: 60 * FUZZ },
    );
  });

  it("gives the trees of the specification", () => {
    const element = fc.oneof(fc.bigInt({ min: 0n, max: FIELD - 1n }), fc.constantFrom(0n, 1n, FIELD - 1n));
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 12 }), (leaves) => {
        const { levels, top } = new PoseidonTree(leaves);
        const digests = joined(leaves.map(digestBytes));
        expect(digestInteger(poseidon.ancestor(digests, levels.length - 1))).toBe(top);
        // One level more: the top and a missing node.
        const padded = new PoseidonTree([top, 0n]).top;
        expect(digestInteger(poseidon.ancestor(digests, levels.length))).toBe(padded);
      }),
      { numRuns: 30 * FUZZ },
    );
    expect(digestInteger(poseidon.ancestor(digestBytes(FIELD - 1n), 0))).toBe(FIELD - 1n);
    expect(poseidon.ancestor(digestBytes(5n), 0)).toHaveLength(DIGEST);
  });
});

describe("paths under digests of many rows", () => {
  it.each([1, 2, 3, 4, 7, 8, 9, 31, 33])("of %i rows are those of the specification", async (count) => {
    const leaves = Array.from({ length: count }, (_, i) => BigInt(i) ** 9n + 1n);
    const tree = new PoseidonTree(leaves);
    for (const atOnce of [1, 2, 3, 12]) {
      const digests = await DigestTree.open(joined(leaves.map(digestBytes)), cache, atOnce);
      expect(digests.count).toBe(count);
      expect(digests.root(2n)).toBe(tree.root(2n));
      for (let i = 0; i < count; i++) expect(digests.siblings(i)).toEqual(tree.siblings(i));
    }
  });
});

describe("the row kernel", () => {
  it("gives the leaves of the specification", () => {
    fc.assert(
      fc.property(someRows(9), typeCode, (parts, code) => {
        const length = parts[0].length;
        const got = pieces(rows.leaves(leafHead(code, length), joined(parts), parts.length));
        const expected = parts.map((bytes) => rowLeaf(code, length, bytes));
        expect(got.every((leaf, i) => equal(leaf, expected[i]))).toBe(true);
      }),
      { numRuns: 100 * FUZZ },
    );
  });

  it("gives the trees of the specification", () => {
    for (let count = 1; count <= 70; count++) {
      const leaves = joined(Array.from({ length: count }, (_, i) => new Uint8Array(32).fill(i + 1)));
      expect(rows.levels(leaves)).toEqual(new Tree(leaves).levels);
    }
  });
});

describe("compiled kernels", () => {
  it("come from the cache the second time, and are compiled again if it is damaged", async () => {
    const folder = join(cache, "wasm");
    const [file] = readdirSync(folder).filter((name) => name.startsWith("rows"));
    const good = readFileSync(join(folder, file));
    writeFileSync(join(folder, file), good.subarray(0, 100));
    await kernelModule("rows", cache);
    expect(readFileSync(join(folder, file)).equals(good)).toBe(true);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it("are kept where the environment says", () => {
    expect(cacheFolder({ OTR_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe(join("/b", "otr"));
    expect(cacheFolder({})).toMatch(/otr$/);
  });
});
