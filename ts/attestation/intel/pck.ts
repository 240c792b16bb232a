import { type Hex, toHex } from "../../commit/bytes.ts";
import { children, contentsOf, type Element, only, small, TAG } from "../der.ts";
import { EvidenceEncodingError } from "../errors.ts";
import type { X509 } from "../x509.ts";

/** What a PCK certificate says of its platform. */
export interface Pck {
  /** Family, model, stepping and custom SKU: names the TCB info. */
  readonly fmspc: Hex;
  readonly pceId: Hex;
  /** The platform's stable identity. */
  readonly ppid: Hex;
  /** Security versions of the processor's 16 parts. */
  readonly components: readonly number[];
  readonly pceSvn: number;
}

/** Intel's extension; identifiers of its parts begin with it. */
const SGX = "2a864886f84d010d01";

/** Reads Intel's extension of a PCK certificate. @throws EvidenceEncodingError if it is not there or not whole */
export function readPck({ extensions }: Pick<X509, "extensions">): Pck {
  const extension = extensions.get(SGX);
  if (extension === undefined) throw new EvidenceEncodingError("PCK certificate", "Intel's extension is missing.");
  const parts = partsOf(only(extension.value, TAG.sequence));
  const tcb = partsOf(part(parts, "02"));
  return {
    ppid: octets(part(parts, "01"), 16),
    pceId: octets(part(parts, "03"), 2),
    fmspc: octets(part(parts, "04"), 6),
    components: Array.from({ length: 16 }, (_, k) => small(part(tcb, `02${toHex(Uint8Array.of(k + 1)).slice(2)}`))),
    pceSvn: small(part(tcb, "0211")),
  };
}

/** Parts by the hex of what their identifiers have behind Intel's. */
function partsOf(element: Element): Map<string, Element> {
  const out = new Map<string, Element>();
  for (const entry of children(element, TAG.sequence)) {
    const [id, value, ...rest] = children(entry, TAG.sequence);
    const name = toHex(contentsOf(id, TAG.oid)).slice(2);
    if (value === undefined || rest.length > 0 || !name.startsWith(SGX) || out.has(name.slice(SGX.length)))
      throw new EvidenceEncodingError("PCK certificate", `Part ${name} of Intel's extension is none or there twice.`);
    out.set(name.slice(SGX.length), value);
  }
  return out;
}

function part(parts: ReadonlyMap<string, Element>, name: string): Element {
  const value = parts.get(name);
  if (value === undefined)
    throw new EvidenceEncodingError("PCK certificate", `Part ${name} of Intel's extension is missing.`);
  return value;
}

function octets(element: Element, size: number): Hex {
  const value = contentsOf(element, TAG.octetString);
  if (value.length !== size)
    throw new EvidenceEncodingError("PCK certificate", `A part has ${value.length} bytes, not ${size}.`);
  return toHex(value);
}
