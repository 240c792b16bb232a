import { type Address, type Hex, stringToHex, zeroAddress } from "viem";
import type { Tee } from "../enclave/source.ts";
import { type ClientContext, type OtrContext, read } from "./context.ts";
import { NotInstalledError } from "./errors.ts";

/** Kinds of evidence that contracts verify from end to end, as the verifiers name them. */
export const DCAP_KINDS: Readonly<Record<Tee, Hex>> = {
  tdx: stringToHex("TDX_DCAP", { size: 32 }),
  sgx: stringToHex("SGX_DCAP", { size: 32 }),
};
export const GPU_KIND: Hex = stringToHex("NV_SPDM", { size: 32 });

/** A verifier of one kind of machine's quotes, and what is behind it. */
export interface IntelContracts {
  readonly dcap: Address;
  readonly intelCertificates: Address;
  readonly intelCollateral: Address;
}

/** What proves enclave keys on this chain now. The registry names it: governance may put another verifier in a place. */
export interface AttestationContracts extends IntelContracts {
  readonly sessions: Address;
  /** Undefined where no evidence of GPUs is taken. */
  readonly gpus: { readonly nvidia: Address; readonly nvidiaCertificates: Address } | undefined;
}

/** Asks the registry. @throws NotInstalledError if it has no sessions, or no verifier of quotes of this kind of machine */
export async function attestationContracts(context: OtrContext, tee: Tee): Promise<AttestationContracts> {
  const [sessions, dcap, nvidia] = await Promise.all([
    read(context, "enclaves", "sessions", []),
    read(context, "enclaves", "verifierOf", [DCAP_KINDS[tee]]),
    read(context, "enclaves", "verifierOf", [GPU_KIND]),
  ]);
  if (sessions === zeroAddress) throw new NotInstalledError("sessions (EnclaveSessions)");
  if (dcap === zeroAddress) throw new NotInstalledError(`verifier of ${tee.toUpperCase()} quotes (DcapVerifier)`);
  const gpus =
    nvidia === zeroAddress ? undefined : { nvidia, nvidiaCertificates: await certificatesOf(context, nvidia) };
  return { sessions, ...(await intelContracts(context, dcap)), gpus };
}

/** The contracts behind a verifier of quotes. */
export async function intelContracts(context: ClientContext, dcap: Address): Promise<IntelContracts> {
  const [intelCertificates, intelCollateral] = await Promise.all([
    read(context, "dcap", "CERTIFICATES", [], { address: dcap }),
    read(context, "dcap", "COLLATERAL", [], { address: dcap }),
  ]);
  return { dcap, intelCertificates, intelCollateral };
}

const certificatesOf = (context: OtrContext, address: Address) =>
  read(context, "nvidia", "CERTIFICATES", [], { address });
