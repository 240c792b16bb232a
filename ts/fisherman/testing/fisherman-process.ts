// A fisherman in a process of its own, to be killed by the test: arguments are the RPC URL, the address file, the database, the key file.
import { connect } from "../../chain/client.ts";
import { readDeployment } from "../../chain/deployment.ts";
import { createLogger } from "../../config/logger.ts";
import { configSchema } from "../../config/schema.ts";
import { accountFromFile } from "../../config/secrets.ts";
import { referenceEngine } from "../../engine/reference.ts";
import { openFisherman } from "../open-fisherman.ts";
import { sceneModel } from "./scene-model.ts";

const [url, addresses, path, key] = process.argv.slice(2);
const { content } = sceneModel();
const model = {
  engine: referenceEngine(content.program, content.weights),
  disputed: content,
  contextLength: content.program.contextLength,
};
const { run } = openFisherman({
  client: await connect({ url: url! }),
  deployment: readDeployment(addresses!),
  account: accountFromFile("fisherman's key", key!),
  models: async () => model,
  config: configSchema.parse({ rpc: { pollMs: 50 } }),
  path: path!,
  transactions: { pollMs: 50 },
  log: createLogger("fisherman", { level: "info", format: "json" }),
});
await run(new AbortController().signal);
