import { certificate, SIGNS, usage } from "../vectors/certificates.ts";
import { BROM, deviceIdentity, deviceName, report, sha384 } from "../vectors/h100.ts";
import { parseCertificate } from "../x509.ts";

const AUTHORITIES = ["Device Identity CA", "Identity", "Provisioner", BROM];

/** H100s below a root of our own: number `k`'s chain, leaf first, and its reports. All firmware is the same. */
export function devGpu(k: number) {
  const leaf = `Firmware of GPU ${k}`;
  const name = `NVIDIA:GH100:${k.toString(16).toUpperCase().padStart(16, "0")}`;
  const extensions = [usage(SIGNS), deviceName(name), deviceIdentity(sha384("firmware"))];
  const authorities = AUTHORITIES.map((subject, n) => certificate({ subject, issuer: AUTHORITIES[n - 1] ?? subject }));
  return {
    name,
    chain: [certificate({ subject: leaf, issuer: BROM, extensions }), ...authorities.reverse()].map((der) =>
      parseCertificate(der),
    ),
    report: (nonce: Uint8Array): Uint8Array => report({ nonce, leaf }),
  };
}
