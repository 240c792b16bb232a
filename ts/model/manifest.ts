import { encodeAbiParameters, keccak256 } from "viem";
import { type Hex, toHex } from "../commit/bytes.ts";
import { TAGS } from "../commit/tags.ts";

/** Everything a `modelId` commits to; docs/protocol.md, section 1. */
export type Manifest = {
  readonly machineVersion: number;
  readonly programRoot: Hex;
  readonly weightsRoot: Hex;
  readonly weightsRootP: Hex;
  /** keccak256 of the bytes of `tokenizer.json`. */
  readonly tokenizerHash: Hex;
  /** keccak256 of the bytes of `chat_template.jinja`. */
  readonly chatTemplateHash: Hex;
  readonly tokenBytesRoot: Hex;
  readonly instructions: number;
  readonly weightRows: number;
  readonly cacheRows: number;
  /** Positions, prompt and answer together. */
  readonly contextLength: number;
  readonly vocabSize: number;
};

const ENCODING = [
  { name: "tag", type: "bytes32" },
  { name: "machineVersion", type: "uint32" },
  { name: "programRoot", type: "bytes32" },
  { name: "weightsRoot", type: "bytes32" },
  { name: "weightsRootP", type: "bytes32" },
  { name: "tokenizerHash", type: "bytes32" },
  { name: "chatTemplateHash", type: "bytes32" },
  { name: "tokenBytesRoot", type: "bytes32" },
  { name: "instructions", type: "uint32" },
  { name: "weightRows", type: "uint32" },
  { name: "cacheRows", type: "uint32" },
  { name: "contextLength", type: "uint32" },
  { name: "vocabSize", type: "uint32" },
] as const;

const MODEL_TAG = toHex(TAGS.model);

/** `modelId`: the hash that requests and receipts name a model by. */
export function modelIdOf(manifest: Manifest): Hex {
  return keccak256(
    encodeAbiParameters(ENCODING, [
      MODEL_TAG,
      manifest.machineVersion,
      manifest.programRoot,
      manifest.weightsRoot,
      manifest.weightsRootP,
      manifest.tokenizerHash,
      manifest.chatTemplateHash,
      manifest.tokenBytesRoot,
      manifest.instructions,
      manifest.weightRows,
      manifest.cacheRows,
      manifest.contextLength,
      manifest.vocabSize,
    ]),
  );
}
