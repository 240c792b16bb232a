import type { Hex } from "../commit/bytes.ts";
import type { Receipt, Request } from "../commit/typed-data.ts";

/** Receipt and request in plain, for instructions that read the prompt or the request. */
export interface Disclosure {
  readonly receipt: Receipt;
  readonly request: Request;
}

/** An instruction and its opening in the program tree. */
export interface OpenedInstruction {
  readonly row: number;
  /** 128 bytes. */
  readonly instruction: Hex;
  readonly programSiblings: readonly Hex[];
}

/** One move of a game, named as the contract's function; docs/protocol.md, section 4. */
export type Move =
  | { readonly call: "postFine"; readonly nodes: readonly Hex[] }
  | { readonly call: "choose"; readonly child: number }
  | { readonly call: "reveal"; readonly siblings: readonly Hex[]; readonly nodes: readonly Hex[] }
  | ({ readonly call: "chooseRow" } & OpenedInstruction)
  | {
      readonly call: "revealRow";
      readonly siblings: readonly Hex[];
      /** Nodes under B; empty if the row is shown in plain. */
      readonly nodes: readonly Hex[];
      /** The row's chunks in plain if its tree has at most four levels; else empty. */
      readonly chunks: Hex;
    }
  | { readonly call: "revealChunks"; readonly siblings: readonly Hex[]; readonly chunks: Hex }
  | { readonly call: "chooseCache" }
  | { readonly call: "revealCache"; readonly nodes: readonly Hex[] }
  | ({
      readonly call: "settleCache";
      readonly leafIndex: number;
      readonly leaf: Hex;
      readonly siblings: readonly Hex[];
      readonly fineLeaf: Hex;
      readonly fineSiblings: readonly Hex[];
    } & OpenedInstruction)
  | {
      readonly call: "settleToken";
      /** The token row's single chunk. */
      readonly chunk: Hex;
      readonly fineSiblings: readonly Hex[];
    }
  | ({
      readonly call: "settle";
      readonly element: number;
      /** The chunk that holds the element, and its siblings up to the current node. */
      readonly chunk: Hex;
      readonly siblings: readonly Hex[];
      readonly witness: Hex;
      readonly disclosure: Disclosure | undefined;
    } & OpenedInstruction)
  | ({
      readonly call: "chooseElement";
      readonly element: number;
      readonly chunk: Hex;
      readonly siblings: readonly Hex[];
    } & OpenedInstruction)
  | ({ readonly call: "postAccumulators"; readonly accumulators: Hex } & OpenedInstruction)
  | { readonly call: "choosePart"; readonly part: number; readonly accumulators: Hex }
  | ({
      readonly call: "settleBlock";
      /** Block within the last posted accumulators. */
      readonly block: number;
      readonly accumulators: Hex;
      readonly witness: Hex;
      readonly disclosure: Disclosure | undefined;
    } & OpenedInstruction)
  | { readonly call: "conclude" };
