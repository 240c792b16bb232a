import type { Command } from "commander";
import { type Address, zeroAddress } from "viem";
import { getBatchDraws, getDrawTerms, getStrip, missedCall, type StripDraw } from "../chain/actions/draws.ts";
import { sameAddress } from "../chain/client.ts";
import type { OtrContext } from "../chain/context.ts";
import { NoSenderError } from "../chain/errors.ts";
import { systemClock } from "../chain/time.ts";
import { CommandProver, committedFiles, ProcessProver } from "../circuits/claim-prover.ts";
import { createLogger } from "../config/logger.ts";
import { loadModels } from "../dispute/load-models.ts";
import { DrawAnswerer, type ProofStore } from "../spotcheck/draw-answerer.ts";
import { strips } from "../spotcheck/draws.ts";
import { JointProofs } from "../spotcheck/joint-proofs.ts";
import { provableModels } from "../spotcheck/provable-model.ts";
import { deliveryOf } from "../spotcheck/rounds.ts";
import { UsageError } from "./errors.ts";
import { batchIdOf } from "./executor-commands.ts";
import { bundleOf, ENDPOINT, findCommitted, type Source } from "./find-receipt.ts";
import { table } from "./output.ts";
import type { Run } from "./program.ts";
import { type Sending, sendOrSimulate } from "./send-or-simulate.ts";
import type { Session } from "./session.ts";

const DRY_RUN = ["--dry-run", "simulate only: say what would be sent, and whether it would succeed"] as const;

/** `otr draw show | deliver | missed`, `otr prove` */
export function drawCommands(program: Command, run: Run): void {
  const draw = program.command("draw").description("spot-checks: what is drawn of a batch, and what becomes of it");

  draw
    .command("show <batchId>")
    .description("the draws of a batch: round, strips, deadlines")
    .action(
      run(async (session, batch: string) => {
        const batchId = batchIdOf(batch);
        const { otr, count, court } = await drawsOf(session, batchId);
        const terms = await getDrawTerms(otr, court);
        const draws = await getBatchDraws(otr, court, batchId);
        const found: ({ strip: number } & StripDraw)[] = [];
        for (let strip = 0; strip < strips(count, terms.stride); strip++)
          found.push({ strip, ...(await getStrip(otr, court, batchId, strip)) });
        session.output.result({ batchId, court, ...draws, strips: found }, () =>
          [
            table([
              ["round", String(draws.round)],
              ["drawn", String(draws.drawn)],
              ["answered", String(draws.answered)],
              ["settled", draws.settled ? "yes" : "no"],
            ]),
            table(found.map(({ strip, state, deadline }) => [`strip ${strip}`, `${state}${until(state, deadline)}`])),
          ].join("\n"),
        );
      }),
    );

  draw
    .command("deliver <batchId>")
    .description("bring the round that draws from a batch to the chain, once it is due: anybody may")
    .option(...DRY_RUN)
    .action(
      run(async (session, batch: string, options: Sending) => {
        const batchId = batchIdOf(batch);
        const { otr, court } = await drawsOf(session, batchId);
        const { randomness } = await getDrawTerms(otr, court);
        const { round } = await getBatchDraws(otr, court, batchId);
        const { drandUrls } = session.config.executor.draws;
        const call = await deliveryOf(otr, randomness, round, { drandUrls });
        if (call === undefined) return session.output.note(`round ${round} is known, or not due yet`);
        await sendOrSimulate(session, options, ({ otr: { sender } }) => senderOf(sender, call.name).send(call));
        session.output.result({ batchId, round, call: call.name }, () => `round ${round}: ${call.name}`);
      }),
    );

  draw
    .command("missed <batchId> <strip>")
    .description("convict the executor of a batch for a draw that it let pass: anybody may")
    .option(...DRY_RUN)
    .action(
      run(async (session, batch: string, place: string, options: Sending) => {
        const batchId = batchIdOf(batch);
        const strip = stripOf(place);
        const { court, executor } = await drawsOf(session, batchId);
        const call = missedCall(court, batchId, strip);
        const sent = await sendOrSimulate(session, options, ({ otr: { sender } }) =>
          senderOf(sender, call.name).send(call),
        );
        if (sent) session.output.result({ batchId, strip, executor }, () => `${executor} is convicted`);
      }),
    );

  program
    .command("prove <bundle>")
    .description(
      "answer the draw of a receipt by hand: posts its step, and proves what was drawn as far as rounds are known",
    )
    .option(...ENDPOINT)
    .option(...DRY_RUN)
    .action(
      run(async (session, name: string, options: Source & Sending) => {
        const bundle = await bundleOf(name, options);
        const committed = await findCommitted(session, bundle, options.endpoint);
        if (committed === undefined) throw new UsageError("No batch holds this receipt.", "Is it committed yet?");
        const { batchId, index } = committed;
        const { court } = await drawsOf(session, batchId);
        const reader = (await session.reader()).otr;
        const terms = await getDrawTerms(reader, court);
        const { models } = await loadModels(session.config.models, { backend: session.config.engine.backend });
        const [program_, ...leading] = session.config.executor.draws.prover ?? [];
        const files = committedFiles(session.cacheDir);
        const prover =
          program_ === undefined ? new ProcessProver(files) : new CommandProver([program_, ...leading], files);
        try {
          await sendOrSimulate(session, options, async ({ otr: context }) => {
            const log = createLogger("prove", { ...session.config.log, format: "text" });
            const answerer = new DrawAnswerer({
              ...{ context, prover, proofs: memoryProofs(), log },
              models: provableModels(models, session.cacheDir),
            });
            const joint = new JointProofs({ context, log });
            const strip = Math.floor(index / terms.stride);
            const wanted = {
              ...{ batchId, strip, otherRounds: async () => [], draws: await getBatchDraws(context, court, batchId) },
              at: (place: number) => (place === index ? { bundle, committed } : undefined),
            };
            for (;;) {
              const progress = await answerer.advance(terms, wanted);
              if (progress.kind === "proofs") {
                session.output.note("proving");
                await progress.prove();
                continue;
              }
              let { kind } = progress;
              if (progress.kind === "ready") {
                kind = "sent";
                for (const part of progress.parts) if ((await joint.send([part])).over.length > 0) kind = "missed";
              }
              if (kind === "sent") {
                // Not at once: an endpoint's machines may lag behind each other.
                await systemClock.sleep(session.config.rpc.pollMs);
                continue;
              }
              if (kind === "missed")
                throw new UsageError("The time for this draw is over.", "Anybody may call `otr draw missed`.");
              const left = progress.kind === "waits" ? `waits for round ${progress.round}` : "answered";
              session.output.result(
                { batchId, strip, ...progress },
                () => `strip ${strip} of batch ${batchId}: ${left}`,
              );
              return;
            }
          });
        } finally {
          prover.close();
        }
      }),
    );
}

/** A batch with the court that draws from it. @throws UsageError if nothing is drawn */
async function drawsOf(
  session: Session,
  batchId: bigint,
): Promise<{ otr: OtrContext; count: number; executor: Address; court: Address }> {
  const { otr, getBatch, getRules } = await session.reader();
  const batch = await getBatch(batchId);
  if (batch === undefined) throw new UsageError(`There is no batch ${batchId}.`);
  const { spotChecks: court } = await getRules(batch.rules);
  if (sameAddress(court, zeroAddress))
    throw new UsageError(`Nothing is drawn of batch ${batchId}: its rules have no draws.`);
  return { otr, count: batch.count, executor: batch.executor, court };
}

function stripOf(text: string): number {
  const strip = Number(text);
  if (!Number.isSafeInteger(strip) || strip < 0)
    throw new UsageError(`${text} is no strip.`, "Strips are numbered from 0.");
  return strip;
}

function senderOf(sender: OtrContext["sender"], call: string) {
  if (sender === undefined) throw new NoSenderError(call);
  return sender;
}

function until(state: string, deadline: bigint): string {
  const due = state === "drawn" || state === "posted" || state === "proven" || state === "unknown";
  return due && deadline < 2n ** 40n - 1n ? `, due ${new Date(Number(deadline) * 1000).toISOString()}` : "";
}

function memoryProofs(): ProofStore {
  const proofs = new Map<string, Uint8Array>();
  return {
    get: (key) => proofs.get(key),
    put: (key, _, proof) => void proofs.set(key, proof),
    drop: () => proofs.clear(),
  };
}
