import type { Hex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import type { PlainRecord } from "./view.ts";

/** An instruction and its opening in the program tree. */
export interface OpenedInstruction {
  readonly row: number;
  /** 128 bytes. */
  readonly instruction: Hex;
  readonly programSiblings: readonly Hex[];
}

/** An element, and the chunk that holds it with its siblings up to the current node (in a jump: to the row's top). */
export interface OpenedElement {
  readonly element: number;
  readonly chunk: Hex;
  readonly siblings: readonly Hex[];
}

/** What the judge computes from. */
export interface Evidence {
  readonly witness: Hex;
  /** The receipt's request, for instructions that read its temperature. */
  readonly request: Request | undefined;
}

/** One move of a game, named as the contract's function; docs/protocol.md, section 4. */
export type Move =
  | { readonly call: "revealTrace"; readonly nodes: readonly Hex[] }
  | {
      readonly call: "chooseStep";
      readonly step: number;
      /** Leaf of the record, and its siblings up to the current node. */
      readonly record: Hex;
      readonly siblings: readonly Hex[];
    }
  | { readonly call: "postFine"; readonly record: PlainRecord; readonly nodes: readonly Hex[] }
  /** `child` counts the current node's descendants `levels` below it. */
  | { readonly call: "choose"; readonly levels: number; readonly child: number }
  /** `revealFine`: of the first node that is chosen in the fine tree. */
  | { readonly call: "reveal" | "revealFine"; readonly siblings: readonly Hex[]; readonly nodes: readonly Hex[] }
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
  /** `secret`: the request's seed, or what a confidential request's seed commits to. */
  | { readonly call: "settleSalt"; readonly request: Request; readonly secret: Hex }
  | ({ readonly call: "settle" } & OpenedInstruction & OpenedElement & Evidence)
  | ({
      readonly call: "settleJump";
      /** Top of the row's tree, and the siblings of the row's leaf up to the fine top. */
      readonly byteRoot: Hex;
      readonly rowSiblings: readonly Hex[];
    } & OpenedInstruction &
      OpenedElement &
      Evidence)
  | ({ readonly call: "chooseElement" } & OpenedInstruction & OpenedElement)
  | ({ readonly call: "postAccumulators"; readonly accumulators: Hex } & OpenedInstruction)
  | { readonly call: "choosePart"; readonly part: number; readonly accumulators: Hex }
  | ({
      readonly call: "settleBlock";
      /** Block within the last posted accumulators. */
      readonly block: number;
      readonly accumulators: Hex;
    } & OpenedInstruction &
      Evidence)
  | { readonly call: "conclude" };
