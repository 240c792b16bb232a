import { type Address, formatEther, type Hex, zeroAddress } from "viem";
import { inventingEngine } from "../adversary/inventing-engine.ts";
import { getBatchDraws, getDrawTerms, getStepClaim, getStrip, missedCall } from "../chain/actions/draws.ts";
import { loadModels, type ReadyModel } from "../dispute/load-models.ts";
import { stepOf } from "../spotcheck/draws.ts";
import { roundValue } from "../spotcheck/rounds.ts";
import type { Cast } from "./cast.ts";
import { buy } from "./customer.ts";
import { batchOf, type CommittedBatch, waitFor } from "./dispute.ts";
import { DemoError } from "./errors.ts";
import type { Screen } from "./screen.ts";
import { AIR_GAP, SECOND_CHAIN, Town } from "./town.ts";

const MAX_TOKENS = 24;
/** Seconds for an answer: proofs take minutes on a busy machine, and keys are made first. Whoever lets it pass does not wait: the chain's clock skips it. */
const TURN = 3600;

/** What became of an operator that nobody watched. */
export interface DrawnResult {
  readonly convicted: boolean;
  /** From the commitment to the conviction, the turn aside that the chain's clock skips. */
  readonly seconds: number;
  readonly missedGas: number;
  readonly slashedWei: string;
  readonly requesterWei: string;
  /** An honest executor's answer to its draw, if it was asked for. */
  readonly proven?: { readonly seconds: number; readonly gas: number };
}

/**
 * Tier 3: no fisherman, and an operator that signs with its enclave's key outside the enclave. The contract draws, nobody can prove what was never
 * computed, and the deadline convicts.
 */
export async function drawnAct(
  screen: Screen,
  cast: Cast,
  logLevel: "silent" | "info",
  { honest }: { honest: boolean },
): Promise<DrawnResult> {
  screen.heading("Act 4. Nobody watches, and the enclave is broken: the answer is made up");
  screen.line("Another chain, with draws; all fishermen are asleep ...");
  const town = await Town.build({ window: 2 * TURN, turn: TURN }, logLevel, SECOND_CHAIN, Town.DRAWS);
  try {
    await town.registerModel(cast.model);
    // Rounds are due by the chain's clock.
    await town.clock.setIntervalMining({ interval: 1 });
    const requester = town.actions("requester");
    const context = { ...requester.otr };
    const { spotChecks: court } = await requester.getRules();
    if (court === zeroAddress) throw new DemoError("The rules have no draws.");
    const terms = await getDrawTerms(context, court);
    const proven = honest ? await provenAnswer(town, screen, cast, court) : undefined;

    const { vocabSize } = cast.model.loaded.manifest;
    const serving = await town.serve("inventor", { ...cast.model, engine: inventingEngine(vocabSize) });
    const { prepared, bundle, provisionalMs } = await purchase(town, screen, cast, serving);
    screen.line(
      `The receipt verifies in ${provisionalMs.toFixed(1)} ms: key registered, signatures right, stake locked.`,
    );
    const batch = await batchOf(context, bundle, serving.account.address);
    const begin = performance.now();
    const { stake } = await requester.getExecutor(serving.account.address);
    const { round } = await getBatchDraws(context, court, batch.batchId);
    const value = await waitFor("The round", () => roundValue(context, terms.randomness, round));
    const steps = bundle.receipt.nIn + bundle.receipt.nOut - 1;
    const step = stepOf(value, bundle.receiptHash, steps);
    screen.line(
      `Round ${round} draws step ${step} of ${steps}; ${terms.pairs} elements of its rows would be drawn next.`,
    );
    screen.line("Nothing can be posted that would stand: the step was never computed. The turn passes ...");
    await town.clock.increaseTime({ seconds: Number(terms.turnDuration) + 1 });
    await town.clock.mine({ blocks: 1 });
    const { sender } = context;
    if (sender === undefined) throw new DemoError("The requester cannot send.");
    const { gasUsed } = await sender.send(missedCall(court, batch.batchId, 0));
    const seconds = Number(((performance.now() - begin) / 1000).toFixed(1));
    const convicted = (await requester.statusOf(batch.committed)) === "reverted";
    screen.line(`Anybody may say so: the requester does, for ${gasUsed} gas. Convicted; nothing of it ever was final.`);

    await town.clock.increaseTime({ seconds: AIR_GAP });
    await town.clock.mine({ blocks: 1 });
    const { request, signature } = prepared;
    if (signature === undefined) throw new DemoError("The request is not signed.");
    await requester.claimCompensation({ committed: batch.committed, request, signature });
    const received = await requester.claim();
    await town.clock.increaseTime({ seconds: town.claimPeriod });
    await town.clock.mine({ blocks: 1 });
    const left = await waitFor("The end of the locks", async () => {
      const { stake: rest, locked } = await requester.getExecutor(serving.account.address);
      return locked === 0n ? rest : undefined;
    });
    screen.line(`Slashed ${formatEther(stake - left)} ETH; the requester received ${formatEther(received)} ETH.`);
    return {
      convicted,
      seconds,
      missedGas: Number(gasUsed),
      slashedWei: String(stake - left),
      requesterWei: String(received),
      ...(proven === undefined ? {} : { proven }),
    };
  } finally {
    await town.close();
  }
}

/** An honest executor's answer: drawn, proven in zero knowledge, and final. */
async function provenAnswer(town: Town, screen: Screen, cast: Cast, court: Address) {
  screen.line("First an honest one: its executor proves what is drawn (the first time, keys are made: minutes) ...");
  // An executor closes its engine when it stops, as that of the first act did.
  const [model] = (await loadModels([cast.folder])).models as [ReadyModel];
  const serving = await town.serve("honest", model);
  const { bundle } = await purchase(town, screen, cast, serving);
  const requester = town.actions("requester");
  const batch: CommittedBatch = await batchOf(requester.otr, bundle, serving.account.address);
  const begin = performance.now();
  const look = async () => (await getBatchDraws(requester.otr, court, batch.batchId)).settled || undefined;
  await waitFor("The proofs", look, 3600);
  const seconds = Number(((performance.now() - begin) / 1000).toFixed(1));
  const gas = await gasOf(town, serving.account.address, batch.batchId, court, bundle.receiptHash);
  screen.line(`Drawn, posted and proven in ${seconds} s, for ${gas} gas in all.`);
  return { seconds, gas };
}

/** Gas of what an executor sent to the court of draws. */
async function gasOf(
  town: Town,
  executor: Address,
  batchId: bigint,
  court: Address,
  receiptHash: Hex,
): Promise<number> {
  const { otr } = town.actions("requester");
  const { round } = await getBatchDraws(otr, court, batchId);
  const claim = await getStepClaim(otr, court, receiptHash, round);
  const strip = await getStrip(otr, court, batchId, 0);
  if (claim === undefined || strip.state !== "answered") throw new DemoError("The draw is not answered.");
  let gas = 0n;
  const head = await otr.client.request({ method: "eth_blockNumber" });
  for (let number = 0n; number <= BigInt(head); number++) {
    const hex: Hex = `0x${number.toString(16)}`;
    const block = await otr.client.request({ method: "eth_getBlockByNumber", params: [hex, true] });
    for (const transaction of block?.transactions ?? []) {
      if (typeof transaction === "string" || transaction.to?.toLowerCase() !== court.toLowerCase()) continue;
      if (transaction.from.toLowerCase() !== executor.toLowerCase()) continue;
      const receipt = await otr.client.request({ method: "eth_getTransactionReceipt", params: [transaction.hash] });
      gas += BigInt(receipt!.gasUsed);
    }
  }
  return Number(gas);
}

async function purchase(town: Town, screen: Screen, cast: Cast, serving: Awaited<ReturnType<Town["serve"]>>) {
  screen.line(`> ${cast.prompt}`);
  const bought = await buy({
    context: town.actions("requester").otr,
    serving,
    model: cast.model.loaded,
    account: town.account("requester"),
    prompt: cast.prompt,
    maxTokens: MAX_TOKENS,
    seed: 3,
    onText: (text) => screen.text(text),
  });
  screen.line();
  return bought;
}
