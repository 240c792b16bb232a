import { type Hex, toHex, word } from "../../commit/bytes.ts";
import { programTree, rowsTree } from "../../commit/model-trees.ts";
import { POSEIDON_KIND, poseidonWeightsTree } from "../../commit/poseidon.ts";
import { TAGS } from "../../commit/tags.ts";
import { compileLlama } from "../../compiler/llama.ts";
import { randomConfig, randomTensors } from "../../compiler/random.ts";
import { encodeInstruction } from "../../machine/instruction.ts";
import { cacheRowCount } from "../../machine/program.ts";
import { ELEMENT_CODE, rowBytes } from "../../machine/types.ts";
import { committedRows } from "../../model/weights-file.ts";

/** Which random model the scene plays with. */
const SEED = 4;

/** Its geometry. */
export const SCENE_CONFIG = randomConfig(SEED);

/** The scene's model, the same in every process: its content, its instructions, and the manifest to register. */
export function sceneModel() {
  const config = SCENE_CONFIG;
  const { program, weights } = compileLlama(config, randomTensors(config, SEED));
  const instructions = program.instructions.map(encodeInstruction);
  const tree = programTree(instructions);
  const weightsTree = rowsTree(weights.count, (i) => {
    const row = weights.row(i);
    return { typeCode: ELEMENT_CODE[row.type], length: row.data.length, bytes: rowBytes(row) };
  });
  const weightsTreeP = poseidonWeightsTree(committedRows(weights));
  const manifest = {
    machineVersion: 1,
    programRoot: toHex(tree.root(TAGS.program)),
    weightsRoot: toHex(weightsTree.root(TAGS.weights)),
    weightsRootP: toHex(word(weightsTreeP.root(POSEIDON_KIND.weights))),
    // What nobody reads here is any value.
    tokenizerHash: wordOf(2),
    chatTemplateHash: wordOf(3),
    tokenBytesRoot: wordOf(4),
    instructions: instructions.length,
    weightRows: weights.count,
    cacheRows: cacheRowCount(program),
    contextLength: program.contextLength,
    vocabSize: config.vocab_size,
  };
  const content = { program, weights, programTree: tree, weightsTree, vocabSize: config.vocab_size };
  return { content, instructions, manifest, weightsTreeP };
}

/** A recognisable 32-byte value. */
export function wordOf(value: number): Hex {
  return toHex(word(value));
}
