import { DryRunError } from "../chain/dry-sender.ts";
import type { OtrActions } from "../chain/otr-actions.ts";
import type { Sender } from "../chain/sender.ts";
import type { Session } from "./session.ts";

/** Option of every command that sends. */
export interface Sending {
  readonly dryRun?: boolean;
}

/** Sends what the body does, or with `--dry-run` simulates its first transaction and says so. @returns Whether it was sent. */
export function sendOrSimulate(
  session: Session,
  { dryRun = false }: Sending,
  body: (actions: OtrActions) => Promise<unknown>,
): Promise<boolean> {
  return unlessSimulated(session, dryRun, async () => body(await session.writer(dryRun)));
}

/** Likewise calls to contracts that no deployment names. */
export function sendCallsOrSimulate(
  session: Session,
  { dryRun = false }: Sending,
  body: (sender: Sender) => Promise<unknown>,
): Promise<boolean> {
  return unlessSimulated(session, dryRun, async () => body(await session.sender(dryRun)));
}

async function unlessSimulated(session: Session, dryRun: boolean, body: () => Promise<unknown>): Promise<boolean> {
  try {
    await body();
    if (dryRun) session.output.result({ dryRun: true, call: null }, () => "would send nothing: nothing is due");
    return !dryRun;
  } catch (error) {
    if (!(error instanceof DryRunError)) throw error;
    const { call, gas } = error;
    const { name, to, value } = call;
    session.output.result(
      { dryRun: true, call: name, to, value, gas },
      () => `would send ${name} to ${to}${value > 0n ? ` with ${value} wei` : ""}, ${gas} gas`,
    );
    return false;
  }
}
