import { type Address, type Hex, stringToHex, zeroAddress } from "viem";
import { type OtrContext, read } from "./context.ts";
import { NotInstalledError } from "./errors.ts";

/** Kinds of evidence that contracts verify from end to end, as the verifiers name them. */
export const TDX_KIND: Hex = stringToHex("TDX_DCAP", { size: 32 });
export const GPU_KIND: Hex = stringToHex("NV_SPDM", { size: 32 });

/** What proves enclave keys on this chain now. The registry names it: governance may put another verifier in a place. */
export interface AttestationContracts {
  readonly sessions: Address;
  readonly dcap: Address;
  readonly intelCertificates: Address;
  readonly intelCollateral: Address;
  /** Undefined where no evidence of GPUs is taken. */
  readonly gpus: { readonly nvidia: Address; readonly nvidiaCertificates: Address } | undefined;
}

/** Asks the registry. @throws NotInstalledError if it has no sessions, or no verifier of TDX quotes */
export async function attestationContracts(context: OtrContext): Promise<AttestationContracts> {
  const [sessions, dcap, nvidia] = await Promise.all([
    read(context, "enclaves", "sessions", []),
    read(context, "enclaves", "verifierOf", [TDX_KIND]),
    read(context, "enclaves", "verifierOf", [GPU_KIND]),
  ]);
  if (sessions === zeroAddress) throw new NotInstalledError("sessions (EnclaveSessions)");
  if (dcap === zeroAddress) throw new NotInstalledError("verifier of TDX quotes (DcapVerifier)");
  const [intelCertificates, intelCollateral] = await Promise.all([
    read(context, "dcap", "CERTIFICATES", [], { address: dcap }),
    read(context, "dcap", "COLLATERAL", [], { address: dcap }),
  ]);
  const gpus =
    nvidia === zeroAddress ? undefined : { nvidia, nvidiaCertificates: await certificatesOf(context, nvidia) };
  return { sessions, dcap, intelCertificates, intelCollateral, gpus };
}

const certificatesOf = (context: OtrContext, address: Address) =>
  read(context, "nvidia", "CERTIFICATES", [], { address });
