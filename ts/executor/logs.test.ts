import OpenAI from "openai";
import { pino } from "pino";
import { expect, it } from "vitest";
import { FakeChain } from "./testing/fake-chain.ts";
import { FakeEngine } from "./testing/fake-engine.ts";
import { OPERATOR_KEY, scriptOf, testExecutor, until } from "./testing/setup.ts";

it("logs tell neither prompts nor answers, keys or chat ids, at any level", async () => {
  const lines: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const chain = new FakeChain();
  const engine = new FakeEngine({ script: scriptOf("the-answer") });
  const { executor } = testExecutor({ log, chain, engine, http: { apiKeys: ["sk-the-key"] } });
  const url = await executor.start({ host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-the-key", maxRetries: 0 });
  const ask = { model: "tiny", messages: [{ role: "user" as const, content: "the-prompt" }] };
  const { id, choices } = await client.chat.completions.create(ask);
  expect(choices[0].message.content).toBe("the-answer");
  await fetch(`${url}/v1/otr/receipt/${id}`);
  await client.chat.completions.create({ ...ask, top_p: 0.5 }).catch(() => undefined);
  await client.chat.completions.create({ ...ask, model: "the-prompt" }).catch(() => undefined);
  engine.options.failAt = 2;
  await client.chat.completions.create(ask).catch(() => undefined);
  chain.down = true;
  await until(() => lines.some((line) => line.includes("the chain does not answer")));
  await executor.stop(1000);
  const logged = lines.join("");
  expect(logged).toContain("answer failed");
  for (const secret of ["the-prompt", "the-answer", "sk-the-key", OPERATOR_KEY.slice(2), id])
    expect(logged).not.toContain(secret);
});
