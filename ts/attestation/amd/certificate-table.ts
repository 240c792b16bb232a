import { toHex } from "../../commit/bytes.ts";
import { EvidenceEncodingError } from "../errors.ts";
import { Reader } from "../reader.ts";
import { parseCertificate, type X509 } from "../x509.ts";

/** Identifiers of the chain's certificates, leaf first. */
const CHAIN = {
  VCEK: "63da758de6644564adc5f4b93be8accd",
  ASK: "4ab7b379bbac4fe4a02f05aef327c782",
  ARK: "c0b406a4a803495297433fb6014cd0ae",
} as const;
const MOST_ENTRIES = 16;

/**
 * The chain in a host's certificate table (GHCB specification, as Linux hands it over in `auxblob`): entries of identifier, offset and
 * length up to one of zeros, then the certificates in DER.
 *
 * @throws EvidenceEncodingError if the table has not VCEK, ASK and ARK.
 */
export function readCertificateTable(table: Uint8Array): X509[] {
  const reader = new Reader("certificate table", table);
  const found = new Map<string, Uint8Array>();
  for (let k = 0; ; k++) {
    const [id, offset, length] = [toHex(reader.take(16)), reader.number(4), reader.number(4)];
    if (/^0x0*$/.test(id)) break;
    if (k === MOST_ENTRIES || found.has(id)) reader.fail("It has too many entries, or one twice");
    if (offset + length > table.length) reader.fail("A certificate reaches beyond it");
    found.set(id, table.subarray(offset, offset + length));
  }
  return Object.entries(CHAIN).map(([name, id]) => {
    // Hosts write identifiers in either of the two byte orders that they have; the chain is verified whatever it is called.
    const der = found.get(`0x${id}`) ?? found.get(`0x${swapped(id)}`);
    if (der === undefined) throw new EvidenceEncodingError("certificate table", `It has no ${name}.`);
    return parseCertificate(der);
  });
}

/** The identifier with its first three groups little-endian. */
function swapped(id: string): string {
  const reversed = (from: number, to: number) => (id.slice(from, to).match(/../g) ?? []).reverse().join("");
  return reversed(0, 8) + reversed(8, 12) + reversed(12, 16) + id.slice(16);
}
