import { keccak_256 } from "@noble/hashes/sha3.js";
import { describe, expect, it } from "vitest";
import { equal, toHex, word } from "./bytes.ts";
import { depth, parent, Tree, width } from "./tree.ts";

const leaves = (n: number) => Array.from({ length: n }, (_, i) => keccak_256(word(i)));

/** The definition, written recursively and without sharing code with the class. */
function topByDefinition(nodes: Uint8Array[]): Uint8Array {
  if (nodes.length === 1) return nodes[0]!;
  const next: Uint8Array[] = [];
  for (let i = 0; i < nodes.length; i += 2) {
    const bytes = new Uint8Array(64);
    bytes.set(nodes[i]!, 0);
    bytes.set(nodes[i + 1] ?? new Uint8Array(32), 32);
    next.push(keccak_256(bytes));
  }
  return topByDefinition(next);
}

/** The verifier of docs/protocol.md: top from a range and its siblings. */
function topOfRange(range: Uint8Array[], lo: number, n: number, siblings: Uint8Array[]): Uint8Array {
  let nodes = [...range];
  let [l, w] = [lo, n];
  const rest = [...siblings];
  while (w > 1) {
    const h = l + nodes.length - 1;
    if (l % 2 === 1) nodes.unshift(rest.shift()!);
    if (h % 2 === 0) nodes.push(h + 1 < w ? rest.shift()! : new Uint8Array(32));
    nodes = nodes.flatMap((node, i) => (i % 2 === 0 ? [parent(node, nodes[i + 1]!)] : []));
    l = Math.floor(l / 2);
    w = Math.ceil(w / 2);
  }
  expect(rest).toHaveLength(0);
  return nodes[0]!;
}

describe("Tree", () => {
  it("has the top of the definition for every size up to 70", () => {
    for (let n = 1; n <= 70; n++) {
      const tree = Tree.of(leaves(n));
      expect(toHex(tree.top)).toBe(toHex(topByDefinition(leaves(n))));
      expect(tree.depth).toBe(depth(n));
      expect(width(n, tree.depth)).toBe(1);
    }
  });

  it("opens every range of every size up to 17", () => {
    for (let n = 1; n <= 17; n++) {
      const all = leaves(n);
      const tree = Tree.of(all);
      for (let lo = 0; lo < n; lo++)
        for (let hi = lo; hi < n; hi++)
          expect(equal(topOfRange(all.slice(lo, hi + 1), lo, n, tree.range(lo, hi)), tree.top)).toBe(true);
    }
  });

  it("reveals exactly the descendants that exist", () => {
    const tree = Tree.of(leaves(19));
    expect(tree.descendants(5, 0, 4)).toHaveLength(10);
    expect(tree.descendants(4, 1, 4)).toHaveLength(3);
    expect(tree.descendants(4, 0, 4)).toHaveLength(16);
  });

  it("binds the count in the root", () => {
    const kind = keccak_256(new Uint8Array([1]));
    const two = Tree.of([...leaves(1), new Uint8Array(32)]);
    const one = Tree.of(leaves(1));
    expect(equal(two.root(kind), one.root(kind))).toBe(false);
  });
});
