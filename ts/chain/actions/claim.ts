import type { Address } from "viem";
import { type OtrContext, read, write } from "../context.ts";
import { NoSenderError } from "../errors.ts";

/** Takes everything owed to the sender: rewards, bonds that came back, compensation. Sends nothing if nothing is owed. @returns Wei. */
export async function claim(context: OtrContext, parameters: { to?: Address; id?: string } = {}): Promise<bigint> {
  const account = context.sender?.address;
  if (account === undefined) throw new NoSenderError("vault.claim");
  const owed = await read(context, "vault", "claimableOf", [account]);
  if (owed > 0n)
    await write(
      context,
      "vault",
      "claim",
      [parameters.to ?? account],
      parameters.id === undefined ? {} : { id: parameters.id },
    );
  return owed;
}
