import { equal, fromHex, toHex } from "../../commit/bytes.ts";
import { CollateralError, IdentityError } from "../errors.ts";
import type { QeIdentity, TcbInfo, TcbStatus } from "./collateral.ts";
import type { Pck } from "./pck.ts";
import type { EnclaveReport, TdReport } from "./quote.ts";

/** A status, and Intel's advisories that explain it. */
export interface Level {
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
}

/** Status of the platform: of the first level that is not above it. Without one there is none. */
export function platformLevel(
  { tcbLevels }: TcbInfo,
  { components, pceSvn }: Pick<Pck, "components" | "pceSvn">,
  td: Pick<TdReport, "teeTcbSvn"> | undefined,
): Level | undefined {
  // The first two bytes name the TDX module once modules have identities of their own: those judge them.
  const skipped = td !== undefined && td.teeTcbSvn[1]! > 0 ? 2 : 0;
  const found = tcbLevels.find(
    ({ tcb }) =>
      pceSvn >= tcb.pcesvn &&
      tcb.sgxtcbcomponents.every(({ svn }, k) => components[k]! >= svn) &&
      (td === undefined ||
        (tcb.tdxtcbcomponents?.every(({ svn }, k) => k < skipped || td.teeTcbSvn[k]! >= svn) ?? false)),
  );
  return found && { status: found.tcbStatus, advisories: found.advisoryIDs };
}

/**
 * Checks who made the TDX module, and gives its status.
 *
 * @throws IdentityError if it is none that Intel lists.
 * @throws CollateralError if the TCB info lists no such version.
 */
export function moduleLevel(tcbInfo: TcbInfo, td: TdReport): Level | undefined {
  const [svn, version] = [td.teeTcbSvn[0]!, td.teeTcbSvn[1]!];
  const id = `TDX_${toHex(Uint8Array.of(version)).slice(2).toUpperCase()}`;
  const listed = tcbInfo.tdxModuleIdentities.find((one) => one.id.toUpperCase() === id);
  const identity = version === 0 ? tcbInfo.tdxModule : listed;
  if (identity === undefined) throw new CollateralError(`TCB info knows no TDX module ${id}.`);
  const bytes = (hex: string) => fromHex(`0x${hex}`);
  if (!equal(bytes(identity.mrsigner), td.mrSignerSeam))
    throw new IdentityError("The TDX module's signer", identity.mrsigner, toHex(td.mrSignerSeam).slice(2));
  if (!equalUnder(bytes(identity.attributesMask), bytes(identity.attributes), td.seamAttributes))
    throw new IdentityError("The TDX module's attributes", identity.attributes, toHex(td.seamAttributes).slice(2));
  // The first modules have no levels of their own: the platform's say it.
  return version === 0 ? { status: "UpToDate", advisories: [] } : enclaveLevel(listed!.tcbLevels, svn);
}

/** Checks who the quoting enclave is, and gives its status. @throws IdentityError if it is not the one that Intel names */
export function quotingLevel(identity: QeIdentity, report: EnclaveReport): Level | undefined {
  const bytes = (hex: string) => fromHex(`0x${hex}`);
  const compare = (what: string, expected: string, got: string, same: boolean) => {
    if (!same) throw new IdentityError(`The quoting enclave's ${what}`, expected, got);
  };
  const { mrsigner, isvprodid, miscselect, miscselectMask, attributes, attributesMask } = identity;
  const signer = toHex(report.mrSigner).slice(2);
  compare("signer", mrsigner, signer, signer === mrsigner.toLowerCase());
  compare("product", `${isvprodid}`, `${report.product}`, isvprodid === report.product);
  // Both are little-endian numbers in reports; Intel's JSON shows MISCSELECT as a number, ATTRIBUTES as bytes.
  const misc = Uint8Array.from(report.miscSelect).reverse();
  compare("MISCSELECT", miscselect, toHex(misc).slice(2), equalUnder(bytes(miscselectMask), bytes(miscselect), misc));
  const got = toHex(report.attributes).slice(2);
  compare("attributes", attributes, got, equalUnder(bytes(attributesMask), bytes(attributes), report.attributes));
  return enclaveLevel(identity.tcbLevels, report.securityVersion);
}

/** The status of all together, as Intel's verification library brings them together. */
export function converge(platform: Level, others: readonly Level[]): Level {
  const advisories = [...new Set([platform, ...others].flatMap((level) => level.advisories))].sort();
  if ([platform, ...others].some(({ status }) => status === "Revoked")) return { status: "Revoked", advisories };
  if (others.every(({ status }) => status === "UpToDate")) return { status: platform.status, advisories };
  const configured = platform.status.includes("Configuration");
  return { status: configured ? "OutOfDateConfigurationNeeded" : "OutOfDate", advisories };
}

function enclaveLevel(levels: QeIdentity["tcbLevels"], svn: number): Level | undefined {
  const found = levels.find(({ tcb }) => svn >= tcb.isvsvn);
  return found && { status: found.tcbStatus, advisories: found.advisoryIDs };
}

function equalUnder(mask: Uint8Array, a: Uint8Array, b: Uint8Array): boolean {
  return mask.every((byte, k) => (a[k]! & byte) === (b[k]! & byte));
}
