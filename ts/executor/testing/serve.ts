// An executor in a process of its own, to be killed by a test: arguments are the database, the chain's URL and the token delay.
import { FakeEngine } from "./fake-engine.ts";
import { HttpChain } from "./http-chain.ts";
import { scriptOf, testExecutor } from "./setup.ts";

const [path, chainUrl, delayMs, intervalMs] = process.argv.slice(2);
const { executor } = testExecutor({
  path: path!,
  chain: new HttpChain(chainUrl!),
  engine: new FakeEngine({ script: scriptOf("Hello, wörld!"), delayMs: Number(delayMs) }),
  batches: { intervalMs: Number(intervalMs) },
});
process.on("SIGTERM", () => void executor.stop(2000).then(() => process.exit(0)));
process.stdout.write(`${await executor.start({ host: "127.0.0.1", port: 0 })}\n`);
