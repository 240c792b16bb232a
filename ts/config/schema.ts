import { z } from "zod";
import { BACKENDS } from "../engine/types.ts";
import { DRAND_URLS } from "../spotcheck/drand-urls.ts";

const address = z.templateLiteral(["0x", z.string().regex(/^[0-9a-fA-F]{40}$/)]);
const url = z.url({ protocol: /^https?$/ });
const milliseconds = z.number().int().min(1);
const gwei = z.number().min(0);
const seconds = z.number().int().min(1);
const port = z.number().int().min(0).max(65_535);

/** Every key that a configuration may have. Keys not named here are errors. */
export const configSchema = z.strictObject({
  rpc: z
    .strictObject({
      url: url.default("http://127.0.0.1:8545").describe("JSON-RPC endpoint of the chain"),
      chainId: z.number().int().min(1).optional().describe("Refuse an endpoint that serves another chain"),
      timeoutMs: milliseconds.default(30_000).describe("Until a request counts as failed"),
      pollMs: milliseconds.default(1000).describe("Between looks for new blocks"),
      confirmations: z.number().int().min(0).default(0).describe("Blocks behind the head that are not read yet"),
      lagSeconds: z
        .number()
        .int()
        .min(0)
        .default(30)
        .describe("For which a chain that got shorter is a node that lags"),
      maxBlockRange: z.number().int().min(1).default(5000).describe("Blocks per log query at most"),
    })
    .prefault({}),
  fromBlock: z.number().int().min(0).default(0).describe("First block to read: that of the deployment, or any before"),
  deployment: z.string().optional().describe("File of contract addresses; default deployments/<chain id>.json"),
  dataDir: z.string().default(".otr").describe("Folder of the daemons' databases"),
  cacheDir: z
    .string()
    .optional()
    .describe("Folder of downloads, commitments and compiled kernels; default: otr in the user's cache folder"),
  account: z
    .strictObject({
      keystoreFile: z.string().optional().describe("Web3 secret storage (V3 JSON) of the sending key"),
      passwordFile: z.string().optional().describe("File with the keystore's password"),
      privateKeyFile: z.string().optional().describe("File with the sending key in hex; prefer a keystore"),
    })
    .prefault({}),
  transactions: z
    .strictObject({
      replaceAfterSeconds: seconds
        .default(30)
        .describe("Until a transaction outside any block is sent with higher fees"),
      timeoutSeconds: seconds.default(600).describe("Until a caller stops waiting"),
      feeLimitGwei: z.number().positive().default(500).describe("Replacements never offer more per gas"),
      confirmations: z.number().int().min(1).default(1).describe("Blocks until a transaction counts as done"),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
      format: z.enum(["json", "text"]).default("json"),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      host: z.string().default("127.0.0.1").describe("Address at which daemons serve health and metrics"),
    })
    .prefault({}),
  engine: z
    .strictObject({
      backend: z.enum(BACKENDS).default("wasm").describe("What runs models; all give the same bytes"),
      threads: z.number().int().min(1).optional().describe("Threads of a model; default: one for each processor"),
    })
    .prefault({}),
  models: z.array(z.string()).default([]).describe("Model folders to load; in the environment separated by commas"),
  executor: z
    .strictObject({
      host: z.string().default("127.0.0.1").describe("Address to listen on"),
      port: port.default(8700).describe("Port to listen on; 0 takes a free one"),
      endpoint: url.optional().describe("Public URL, announced on the chain"),
      batchSeconds: seconds.default(10).describe("Between two batches, if there are receipts"),
      commitSeconds: seconds.default(600).describe("In which a receipt is promised to be committed"),
      expirySeconds: seconds
        .default(82_800)
        .describe("After which nobody can commit a receipt; clients refuse more than the rules' expiryCap"),
      devRootFile: z
        .string()
        .optional()
        .describe("Key file of the development evidence's root; development chains only"),
      attestation: z
        .strictObject({
          source: z
            .enum(["none", "dev", "tdx", "snp"])
            .default("none")
            .describe("Where evidence of the machine comes from; dev proves nothing"),
          gpus: z.number().int().min(0).max(16).default(0).describe("GPUs that have to be there and are attested"),
          gpuProgram: z.string().default("nvattest").describe("NVIDIA's tool that collects GPU evidence"),
          gpuMeasurements: z
            .string()
            .regex(/^0x[0-9a-fA-F]{1,16}$/)
            .default("0xffffffffffffffff")
            .describe("GPU measurements that the accepted firmware names, as tools/gpu-firmware.ts prints them"),
          collateral: z
            .string()
            .optional()
            .describe("File of Intel's collateral (JSON of PCCS clients), read anew for each registration"),
          devSeed: z.string().default("otr").describe("Determines the roots of source dev"),
          tlsFingerprint: z
            .string()
            .regex(/^[0-9a-fA-F]{64}$/)
            .optional()
            .describe(
              "SHA-256 of the TLS key (SubjectPublicKeyInfo) in front of the executor, made in the same machine",
            ),
        })
        .prefault({}),
      acceptUnknownBatches: z
        .boolean()
        .default(false)
        .describe("Start although the chain has batches of this executor that its database does not know"),
      shutdownSeconds: seconds.default(30).describe("For answers under way when the process is asked to stop"),
      requests: z
        .strictObject({
          gweiPerOutputToken: gwei
            .optional()
            .describe("Price of each of maxOut tokens; requests of contracts are served only if it is set"),
          gweiPerInputToken: gwei.default(0).describe("Price of each prompt token"),
          gweiPerRequest: gwei.default(0).describe("Besides, for commitment, delivery and settlement"),
          gweiPerCallbackGas: gwei.default(0).describe("Price of each unit of a callback's gas"),
          marginSeconds: z
            .number()
            .int()
            .min(0)
            .default(120)
            .describe("Requests whose deadline is nearer are left alone"),
        })
        .prefault({}),
      draws: z
        .strictObject({
          drandUrls: z
            .array(url)
            .default([...DRAND_URLS])
            .describe("drand's endpoints of its evmnet beacon, asked one after the other"),
          prover: z
            .array(z.string())
            .optional()
            .describe("Program and leading arguments that prove in place of snarkjs, called as rapidsnark's prover"),
        })
        .prefault({}),
      crossCheck: z
        .strictObject({
          backend: z
            .enum(BACKENDS)
            .optional()
            .describe("Computes answers again before they are committed; default: none"),
          share: z.number().min(0).max(1).default(0.05).describe("Of the answers that are computed again"),
        })
        .prefault({}),
      metricsPort: port.default(8701).describe("Port of health and metrics; 0 takes a free one"),
      batchReceipts: z.number().int().min(1).default(1000).describe("Receipts per batch at most"),
    })
    .refine(({ batchSeconds, commitSeconds }) => batchSeconds < commitSeconds, {
      path: ["commitSeconds"],
      error: "must be more than executor.batchSeconds, for which receipts wait",
    })
    .refine(({ commitSeconds, expirySeconds }) => commitSeconds < expirySeconds, {
      path: ["expirySeconds"],
      error: "must be more than executor.commitSeconds, in which receipts are committed",
    })
    .prefault({}),
  fisherman: z
    .strictObject({
      downloadTimeoutMs: milliseconds.default(30_000).describe("Until a bundle's download counts as failed"),
      downloadAttempts: z.number().int().min(1).default(8).describe("Before a batch counts as unavailable"),
      retrySeconds: seconds.default(15).describe("Between two attempts to download a bundle or to open a game"),
      maxBundleBytes: z.number().int().min(1).default(268_435_456).describe("Larger batches are refused"),
      executors: z.array(address).default([]).describe("Only these executors are checked; empty: all"),
      dispute: z.boolean().default(true).describe("Open games; false only reports"),
      metricsPort: port.default(8702).describe("Port of health and metrics; 0 takes a free one"),
      maxGames: z.number().int().min(1).default(16).describe("Own games open at a time: bounds the bonds at risk"),
      demands: z.boolean().default(true).describe("Demand on the chain what executors do not serve"),
      demandAfterSeconds: z
        .number()
        .int()
        .min(0)
        .default(3600)
        .describe("After its commit a batch's data is demanded; never later than half of its window"),
      demandConfidential: z
        .boolean()
        .default(false)
        .describe("Demand confidential requests too: their fields can be judged, their prompts stay hidden"),
      bundlesDir: z
        .string()
        .optional()
        .describe("Folder of bundles of confidential answers, as their requesters handed them to this watcher"),
      suspects: z
        .record(z.string().regex(/^0x[0-9a-fA-F]{64}$/), z.array(z.string()))
        .default({})
        .describe(
          "By model id: folders of the models that may stand in for it; games against them end sooner. Default for a model that is not named: every other loaded one with its tokenizer",
        ),
      draws: z
        .strictObject({
          convict: z.boolean().default(true).describe("Convict who lets a draw pass; needs fisherman.dispute, too"),
          deliver: z
            .boolean()
            .default(true)
            .describe("Bring rounds that nobody has brought, and count strips that are proven"),
          deliverAfterSeconds: z
            .number()
            .int()
            .min(0)
            .default(1800)
            .describe(
              "After a round is due, until twice that: each fisherman waits for a time of its own; never more than half of the round's timeout",
            ),
          drandUrls: z
            .array(url)
            .default([...DRAND_URLS])
            .describe("drand's endpoints of its evmnet beacon, asked one after the other"),
        })
        .prefault({}),
      maxDemands: z.number().int().min(1).default(4).describe("Demands open at a time: bounds the bonds at risk"),
      maxDemandBondEther: z.number().positive().default(0.1).describe("No demand is made that costs more"),
    })
    .prefault({}),
  collector: z
    .strictObject({
      everySeconds: z.number().positive().default(60).describe("Between two looks at what is due"),
      claim: z.boolean().default(true).describe("Take what the vault owes; false leaves it there"),
      claimTo: address.optional().describe("Where claims go; default: the daemon's account"),
      minClaimEther: z.number().min(0).default(0).describe("Less is left in the vault"),
    })
    .prefault({}),
});

/** A complete configuration. */
export type Config = z.infer<typeof configSchema>;
