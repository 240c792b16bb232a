import { join } from "node:path";
import { compileLlama } from "../../compiler/llama.ts";
import { randomConfig, randomTensors } from "../../compiler/random.ts";
import { type LoadedModel, loadModel } from "../../model/load.ts";
import { packModel, writePackage } from "../../model/pack.ts";
import { byteLevelTokenizer } from "../../model/testing/packages.ts";

/** A random Llama named `random`, compiled, packed in a folder, and loaded with all its roots. */
export async function randomModel(folder: string): Promise<LoadedModel> {
  const vocabSize = 300;
  const config = { ...randomConfig(3), vocab_size: vocabSize };
  const { program, weights } = compileLlama(config, randomTensors(config, 3), { contextLength: 96 });
  const about = { licence: "MIT", source: "made by a test", notes: [] };
  const tokenizer = byteLevelTokenizer();
  const content = { name: "random", program, weights, vocabSize, tokenizer, stopTokens: [3], about };
  await writePackage(join(folder, "random"), await packModel(content));
  return loadModel(join(folder, "random"));
}
