// Loads a package on the native backend, answers once, and prints how long loading took and how much memory that needs: a process of its
// own, so that nothing else is counted.
import { openEngine } from "../engine/backends.ts";
import { loadModel } from "../model/load.ts";

const folder = process.argv[2]!;
const start = performance.now();
const { program, weights } = await loadModel(folder);
const engine = await openEngine(program, weights, { backend: "native" });
const coldLoadMs = performance.now() - start;
const sequence = engine.sequence({
  prompt: [1, 2, 3],
  temperature: 0,
  requestHash: `0x${"11".repeat(32)}`,
  saltKey: new Uint8Array(32),
});
for (let i = 0; i < 8; i++) await sequence.next();
console.log(JSON.stringify({ rss: process.memoryUsage().rss, coldLoadMs }));
engine.close();
