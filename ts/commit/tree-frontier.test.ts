import { keccak_256 } from "@noble/hashes/sha3.js";
import { expect, it } from "vitest";
import { toHex, word } from "./bytes.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";
import { TreeFrontier } from "./tree-frontier.ts";

it("has the root of the tree after every leaf", () => {
  const frontier = new TreeFrontier();
  const leaves: Uint8Array[] = [];
  for (let n = 1; n <= 130; n++) {
    leaves.push(keccak_256(word(n)));
    frontier.push(leaves.at(-1)!);
    expect(frontier.count).toBe(n);
    expect(toHex(frontier.root(TAGS.trace))).toBe(toHex(Tree.of(leaves).root(TAGS.trace)));
  }
});
