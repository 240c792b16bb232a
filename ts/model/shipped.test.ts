import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { generate } from "../machine/generate.ts";
import { type LoadedModel, loadModel, verifyDeep } from "./load.ts";
import { agreement, type FloatReference, readHeldOut, readReference } from "./reference.ts";
import { referenceRows, scoreTokens } from "./score.ts";

const packageOf = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

describe.each([
  { name: "tale-300k", texts: 8 },
  { name: "tale-2m", texts: 4 },
])("shipped model $name", ({ name, texts }) => {
  let model: LoadedModel;
  let reference: FloatReference;
  let heldOut: string[];

  beforeAll(async () => {
    reference = await readReference(name);
    heldOut = await readHeldOut();
    model = await loadModel(packageOf(name), { modelId: reference.modelId });
  });

  it("predicts held-out text as the float model does that it was made of", async () => {
    const tokens = heldOut.slice(0, texts).map((text) => model.tokenizer.encode(text));
    const scores = await Promise.all(
      tokens.map((ids) => scoreTokens(model.program, referenceRows(model.program, model.weights), ids)),
    );
    const predictions = scores.map((score) => score.predictions);
    expect(predictions.flat().length).toBeGreaterThan(500);
    expect(agreement(reference.predictions.slice(0, texts), predictions)).toBeGreaterThanOrEqual(0.95);
    if (texts < heldOut.length) return;
    const total = scores.reduce((sum, score) => sum + score.loss * score.predictions.length, 0);
    expect(Math.abs(total / predictions.flat().length - reference.loss)).toBeLessThan(0.02);
  });

  it("encodes and decodes the held-out text exactly", () => {
    for (const text of heldOut) {
      const tokens = model.tokenizer.encode(text);
      expect(model.tokenizer.decode(tokens, { skipSpecial: false })).toBe(text);
    }
  });

  it("answers a chat message and stops", () => {
    const prompt = model.tokenizer.applyChatTemplate([{ role: "user", content: "Tell me a story about a fox." }]);
    const output = generate(model.program, model.weights, {
      prompt,
      requestHash: `0x${"01".repeat(32)}`,
      temperature: 0xb333,
      maxOut: 400,
      stopTokens: model.stopTokens,
    });
    expect(model.stopTokens).toContain(output.at(-1));
    const answer = model.tokenizer.decode(output);
    expect(answer.length).toBeGreaterThan(20);
    expect(answer).not.toContain("\ufffd");
  });
});

it("tale-300k has the weightsRootP that its weights have", async () => {
  await verifyDeep(await loadModel(packageOf("tale-300k")));
});
