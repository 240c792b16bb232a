import type { Command } from "commander";
import { SOFTWARE_MEASUREMENT } from "../chain/dev-evidence.ts";
import { systemClock, unixSeconds } from "../chain/time.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { loadModel, readDescription, verifyDeep } from "../model/load.ts";
import { table } from "./output.ts";
import { bytes32, number, type Run } from "./program.ts";

const DAY = 24 * 3600;

/** `otr model ...` */
export function modelCommands(program: Command, run: Run): void {
  const model = program.command("model").description("model packages and their registration");

  model
    .command("inspect <folder>")
    .description("show what a model package says of itself, without checking it")
    .action(
      run(async ({ output }, folder: string) => {
        const { name, modelId, manifest } = await readDescription(folder);
        output.result({ name, modelId, manifest }, () =>
          table([["name", name], ["modelId", modelId], ...Object.entries(manifest).map(([k, v]) => [k, String(v)])]),
        );
      }),
    );

  model
    .command("verify <folder>")
    .description("recompute every root of a model package from its content")
    .option("--deep", "recompute the circuits' weights root too (minutes)")
    .action(
      run(async ({ output }, folder: string, options: { deep?: boolean }) => {
        const bar = output.progress("weights");
        const loaded = await loadModel(folder, { onProgress: (_, done, total) => bar(done, total) });
        const deep = output.progress("weights for circuits");
        if (options.deep) await verifyDeep(loaded, (_, done, total) => deep(done, total));
        const { name, modelId } = loaded;
        output.result({ ok: true, name, modelId, deep: options.deep ?? false }, () => `ok ${modelId} ${name}`);
      }),
    );

  model
    .command("register <folder>")
    .description("register a model and bring its program through the validator on the chain; goes on where it stopped")
    .action(
      run(async (session, folder: string) => {
        const { output } = session;
        const bar = output.progress("weights");
        const loaded = await loadModel(folder, { onProgress: (_, done, total) => bar(done, total) });
        const { modelId, manifest, program: code } = loaded;
        const actions = await session.writer();
        const known = await actions.getManifest(modelId);
        if (known === undefined) await actions.registerModel(manifest);
        const onProgress = output.progress("program");
        const instructions = code.instructions.map(encodeInstruction);
        const transactions = await actions.validateProgram({ modelId, instructions, onProgress });
        const result = { modelId, registered: known === undefined, transactions };
        output.result(result, () => `${modelId} is usable (${transactions} transactions of validation)`);
      }),
    );

  model
    .command("accept <modelId>")
    .description("governance: accept an enclave measurement for a model")
    .option(
      "--measurement <bytes32>",
      "default: software enclaves, for development chains",
      bytes32,
      SOFTWARE_MEASUREMENT,
    )
    .option("--days <number>", "how long", number, 30)
    .action(
      run(async (session, id: string, { measurement, days }: { measurement: `0x${string}`; days: number }) => {
        const actions = await session.writer();
        const validUntil = Number(unixSeconds(systemClock)) + Math.round(days * DAY);
        const { transactionHash } = await actions.setPolicy({ modelId: bytes32(id), measurement, validUntil });
        session.output.result(
          { transactionHash, validUntil },
          () => `accepted until ${new Date(validUntil * 1000).toISOString()}`,
        );
      }),
    );
}
