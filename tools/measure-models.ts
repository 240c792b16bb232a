import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { FloatModel } from "../ts/compiler/float.ts";
import { keptTensors } from "../ts/compiler/tensors.ts";
import { loadModel } from "../ts/model/load.ts";
import { agreement, readHeldOut, writeReference } from "../ts/model/reference.ts";
import { referenceRows, scoreTokens, surprise } from "../ts/model/score.ts";
import { openModelSource } from "../ts/model/source.ts";

/**
 * Measures shipped packages against the float models that they were made of, on `ts/model/fixtures/held-out.json`, and
 * records the float model's greedy choices and loss for `ts/model/shipped.test.ts`: the float weights themselves are
 * not in the repository.
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { models: { type: "string", default: "models" } },
  });
  const texts = await readHeldOut();
  for (const dir of positionals) {
    const name = basename(resolve(dir));
    const model = await loadModel(join(values.models, name));
    const source = await openModelSource(dir);
    const kept = keptTensors(source.tensors);
    let [count, floatLoss, integerLoss] = [0, 0, 0];
    const predictions: number[][] = [];
    const integer: number[][] = [];
    for (const text of texts) {
      const tokens = model.tokenizer.encode(text);
      const float = new FloatModel(source.config, kept);
      const chosen = tokens.slice(0, -1).map((token, i) => {
        const logits = float.step(token);
        floatLoss += surprise(logits, tokens[i + 1]);
        return logits.indexOf(logits.reduce((x, y) => Math.max(x, y)));
      });
      const score = await scoreTokens(model.program, referenceRows(model.program, model.weights), tokens);
      integerLoss += score.loss * chosen.length;
      count += chosen.length;
      predictions.push(chosen);
      integer.push([...score.predictions]);
    }
    const loss = Number((floatLoss / count).toFixed(4));
    await writeReference(name, { modelId: model.modelId, loss, predictions });
    const same = (100 * agreement(predictions, integer)).toFixed(2);
    const losses = `float ${loss} nats, integer ${(integerLoss / count).toFixed(4)} nats`;
    console.log(`${name}: ${count} predictions, ${losses}, same greedy token ${same}%`);
  }
}

await main();
