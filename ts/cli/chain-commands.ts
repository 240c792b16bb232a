import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { z } from "zod";
import { type DeployParameters, deploy } from "../chain/deploy.ts";
import { sealKeystore } from "../config/keystore.ts";
import { configLines } from "../config/print.ts";
import { configSchema } from "../config/schema.ts";
import { loadPrivateKey } from "../config/secrets.ts";
import { devRoots } from "../enclave/dev-source.ts";
import { UsageError } from "./errors.ts";
import { table } from "./output.ts";
import { number, type Run } from "./program.ts";
import { random } from "./session.ts";

/** `otr deploy`, `otr account ...`, `otr config ...` */
export function chainCommands(program: Command, run: Run): void {
  program
    .command("deploy")
    .description(
      "deploy all contracts with script/Deploy.s.sol; what is there is kept. Its OTR_... variables apply too",
    )
    .option("--development", "accept development evidence; no timelock in the way")
    .option("--allow-any-chain", "with --development on a chain other than 31337")
    .option(
      "--dev-roots",
      "with --development: take hardware-shaped evidence under the roots of executor.attestation.devSeed, not the vendors'",
    )
    .option("--challenge-window <seconds>", "time to open a game", number)
    .option("--turn-duration <seconds>", "time for a move", number)
    .action(
      run(async (session, { devRoots: own, ...flags }: DeployParameters & { devRoots?: boolean }) => {
        const { devSeed } = session.config.executor.attestation;
        const parameters = { ...flags, ...(own ? devRoots(new TextEncoder().encode(devSeed)) : {}) };
        const privateKey = loadPrivateKey(session.config.account, session.environment);
        session.output.note("compiling and deploying; this takes a minute the first time");
        const { url } = session.config.rpc;
        const result = await deploy({ url, privateKey, parameters, environment: session.environment });
        const { addresses, ...others } = result;
        session.output.result(result, () =>
          table(
            Object.entries({ ...addresses, ...others }).flatMap(([k, v]) => (v === undefined ? [] : [[k, String(v)]])),
          ),
        );
      }),
    );

  program
    .command("account")
    .description("keys")
    .command("new <keystore>")
    .description("make a key and write it to a new keystore file")
    .requiredOption("--password-file <file>", "file with the keystore's password")
    .action(
      run(async ({ output }, path: string, options: { passwordFile: string }) => {
        const key = generatePrivateKey();
        try {
          const password = readFileSync(options.passwordFile, "utf8").trim();
          // Taken first: deriving the file's key takes a second, which a name that exists already should not cost.
          const file = openSync(path, "wx", 0o600);
          writeFileSync(file, sealKeystore(key, password, random(48)));
          closeSync(file);
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new UsageError("The keystore cannot be written.", reason);
        }
        const address = privateKeyToAddress(key);
        output.result({ address, keystore: path }, () => address);
      }),
    );

  const config = program.command("config").description("configuration");
  config
    .command("print")
    .description("every key with its value and where it came from")
    .option("--redact", "hide credentials and where secrets lie")
    .action(
      run(async ({ loaded, output }, options: { redact?: boolean }) => {
        const lines = configLines(loaded, options.redact ?? false);
        output.result(lines, () =>
          table(lines.map(({ key, value, source }) => [key, JSON.stringify(value) ?? "-", source])),
        );
      }),
    );
  config
    .command("schema")
    .description("JSON schema of the configuration file, for editors")
    .action(
      run(async ({ output }) => {
        const schema = z.toJSONSchema(configSchema, { io: "input" });
        output.result(schema, () => JSON.stringify(schema, null, 2));
      }),
    );
}
