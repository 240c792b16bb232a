import { type Address, keccak256, type TransactionReceipt } from "viem";
import { getBlock } from "viem/actions";
import { cacheSteps } from "../../attestation/gpu-evidence.ts";
import { ocspRevocation, parseOcsp } from "../../attestation/nvidia/ocsp.ts";
import type { X509 } from "../../attestation/x509.ts";
import { fromHex, type Hex } from "../../commit/bytes.ts";
import { type ClientContext, callOf, read } from "../context.ts";
import { PinnedRootError } from "../errors.ts";
import type { Call } from "../sender.ts";

/** Answers of NVIDIA's responder, and the chain of certificates that they are about. */
export interface SubmitOcspParameters {
  /** The contract `NvidiaOcsp`. */
  readonly nvidiaOcsp: Address;
  /** Leaf first, root last. */
  readonly chain: readonly X509[];
  /** OCSPResponses that say "revoked", DER. */
  readonly answers: readonly Uint8Array[];
  send(call: Call, id: string): Promise<TransactionReceipt>;
}

/**
 * Revokes the certificates that answers say are revoked, whoever sends it, and pays for nothing that is revoked already. Their issuers'
 * certificates are cached first, where nobody has.
 *
 * @throws PinnedRootError if the chain leads to another root than the contract's. @throws OcspError, ValidityError at the chain's time
 */
export async function submitOcsp(
  context: ClientContext,
  { nvidiaOcsp, chain, answers, send }: SubmitOcspParameters,
): Promise<void> {
  const certificates = await read(context, "nvidiaOcsp", "CERTIFICATES", [], { address: nvidiaOcsp });
  const at = { address: certificates };
  const [pinned, got] = [await read(context, "nvidiaCertificates", "ROOT", [], at), keccak256(chain.at(-1)!.der)];
  if (got !== pinned) throw new PinnedRootError("NVIDIA", pinned, got);
  const steps = cacheSteps(chain);
  const isCached = async (id: Hex) => (await read(context, "nvidiaCertificates", "entryOf", [id], at)).notAfter !== 0n;
  for (const der of answers) {
    const { timestamp } = await getBlock(context.client);
    const ders = chain.map((one) => one.der);
    const { response, issuer, issuerName, hints, responderHints } = ocspRevocation(der, ders, Number(timestamp));
    // From the root down to the issuer: a certificate below it is revoked whether it is known or not.
    for (const step of steps.slice(0, steps.findIndex(({ id }) => id === issuer) + 1)) {
      if (await isCached(step.id)) continue;
      const call =
        step.parent === undefined
          ? callOf(certificates, "nvidiaCertificates", "cacheRoot", [step.der])
          : callOf(certificates, "nvidiaCertificates", "cache", [step.der, step.parent, step.hints()]);
      await send(call, `gpu-certificate:${step.id}`);
    }
    const { serial } = parseOcsp(fromHex(response));
    if (await read(context, "nvidiaCertificates", "isRevokedUnder", [issuer, serial], at)) continue;
    const args = [response, issuer, issuerName, hints, responderHints] as const;
    await send(callOf(nvidiaOcsp, "nvidiaOcsp", "revoke", args), `ocsp:${nvidiaOcsp}:${keccak256(response)}`);
  }
}
