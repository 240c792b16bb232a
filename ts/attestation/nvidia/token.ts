import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { type Hex, toHex } from "../../commit/bytes.ts";
import { Checks } from "../checks.ts";
import { BindingError, EvidenceEncodingError, TokenError, ValidityError } from "../errors.ts";

/** A key of NRAS, as in its JWKS. */
export interface TokenKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

/** What a verifier of NRAS's tokens asks for. */
export interface TokenOptions {
  /** Seconds since 1970. */
  readonly time: number;
  /** NRAS's keys; they rotate, and are to be fetched from NVIDIA over TLS, not from who shows the token. */
  readonly keys: readonly TokenKey[];
  /** The 32 bytes that all tokens have to carry. */
  readonly nonce?: Uint8Array;
  readonly issuer?: string;
  readonly checks?: Checks;
}

/** What NRAS says of a GPU. */
export interface TokenClaims {
  /** E.g. "GPU-0". */
  readonly name: string;
  /** The leaf's serial number, decimal. */
  readonly ueid: string;
  readonly hardware: string;
  readonly driver: string;
  readonly vbios: string;
}

const ISSUER = "https://nras.attestation.nvidia.com";
/** Far more than a token of NRAS has. */
const MOST_CHARACTERS = 1 << 16;

const headerSchema = z.object({ alg: z.string(), kid: z.string().optional() });
const jwtSchema = z.object({
  iss: z.string(),
  exp: z.number(),
  nbf: z.number().optional(),
  eat_nonce: z.string().regex(/^[0-9a-fA-F]{64}$/),
});
const overallSchema = jwtSchema.extend({
  "x-nvidia-overall-att-result": z.boolean(),
  submods: z.record(
    z.string(),
    z.tuple([z.literal("DIGEST"), z.tuple([z.literal("SHA-256"), z.string().regex(/^[0-9a-f]{64}$/)])]),
  ),
});
const deviceSchema = jwtSchema.extend({
  measres: z.string(),
  secboot: z.boolean(),
  dbgstat: z.string(),
  hwmodel: z.string(),
  ueid: z.string().regex(/^\d{1,60}$/),
  "x-nvidia-gpu-driver-version": z.string(),
  "x-nvidia-gpu-vbios-version": z.string(),
});
const detachedSchema = z.tuple([z.tuple([z.literal("JWT"), z.string()]), z.record(z.string(), z.string())]);

/**
 * Verifies a detached EAT of NVIDIA's remote attestation service (NRAS): ES384 under one of its keys, the overall result, and one token a
 * GPU, whose digests the overall token states. Tokens with `alg: none`, as local tools make them, prove nothing and are refused.
 *
 * @throws EvidenceEncodingError, TokenError, ValidityError, BindingError
 */
export function verifyToken(value: unknown, options: TokenOptions): TokenClaims[] {
  const { checks = new Checks() } = options;
  const [[, overallText], devices] = checks.run("format", () => shaped("EAT of NRAS", value, detachedSchema));
  const overall = checks.run("overall token", () => {
    const claims = jwt(overallText, overallSchema, options);
    if (!claims["x-nvidia-overall-att-result"]) throw new TokenError("NRAS says that the attestation failed.");
    return claims;
  });
  const names = Object.keys(overall.submods);
  if (names.length === 0 || names.length !== Object.keys(devices).length)
    throw new TokenError(`It states ${names.length} devices and carries ${Object.keys(devices).length}.`);
  return names.map((name) =>
    checks.run(
      name,
      () => {
        const text = devices[name];
        const [, [, digest]] = overall.submods[name]!;
        // INVARIANT: the overall result is of these very tokens.
        if (text === undefined || createHash("sha256").update(text).digest("hex") !== digest)
          throw new TokenError(`The overall token is not of this token of ${name}.`);
        return deviceOf(name, jwt(text, deviceSchema, options));
      },
      ({ hardware, driver, vbios }) => `${hardware}, driver ${driver}, VBIOS ${vbios}`,
    ),
  );
}

function deviceOf(name: string, claims: z.infer<typeof deviceSchema>): TokenClaims {
  const { measres, secboot, dbgstat, ueid, hwmodel: hardware } = claims;
  if (measres !== "success" || !secboot || dbgstat !== "disabled")
    throw new TokenError(`Measurements: ${measres}; secure boot: ${secboot}; debugging: ${dbgstat}.`);
  const { "x-nvidia-gpu-driver-version": driver, "x-nvidia-gpu-vbios-version": vbios } = claims;
  return { name, ueid, hardware, driver, vbios };
}

/** The claims of a token whose signature, issuer, dates and nonce hold. */
function jwt<T extends z.infer<typeof jwtSchema>>(text: string, schema: z.ZodType<T>, options: TokenOptions): T {
  const { time, keys, nonce, issuer = ISSUER } = options;
  const [head, body, signature, ...rest] = text.length > MOST_CHARACTERS ? [] : text.split(".");
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0)
    throw new EvidenceEncodingError("JWT", "It has not three parts.");
  const { alg, kid } = shaped("JWT header", json(head), headerSchema);
  // INVARIANT: the algorithm is the verifier's choice, never the token's.
  if (alg !== "ES384") throw new TokenError(`It is signed with ${JSON.stringify(alg.slice(0, 16))}, not with ES384.`);
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) throw new TokenError(`None of ${keys.length} known keys has the id ${JSON.stringify(kid)}.`);
  if (!signed(`${head}.${body}`, signature, key)) throw new TokenError("Its signature does not verify.");
  const claims = shaped("JWT", json(body), schema);
  if (claims.iss !== issuer) throw new TokenError(`It is of ${JSON.stringify(claims.iss.slice(0, 80))}.`);
  const from = claims.nbf ?? 0;
  if (!(time >= from && time <= claims.exp)) throw new ValidityError("The token", clamp(from), clamp(claims.exp), time);
  const expected = nonce && (toHex(nonce) as Hex);
  const got = `0x${claims.eat_nonce.toLowerCase()}`;
  if (expected !== undefined && expected !== got) throw new BindingError("The token's nonce", expected, got);
  return claims;
}

function signed(text: string, signature: string, { kty, crv, x, y }: TokenKey): boolean {
  if (kty !== "EC" || crv !== "P-384") throw new TokenError("The key is not of P-384.");
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
  } catch {
    throw new TokenError("The key is none.");
  }
  return verify("sha384", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }, decoded(signature));
}

/** Base64url without padding, in its one encoding. */
function decoded(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw new EvidenceEncodingError("JWT", "A part is no base64url.");
  return bytes;
}

function json(part: string): unknown {
  try {
    return JSON.parse(decoded(part).toString());
  } catch {
    throw new EvidenceEncodingError("JWT", "A part is no JSON.");
  }
}

function shaped<T>(what: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new EvidenceEncodingError(what, `Field '${path.join(".")}': ${message}.`);
}

/** Dates that calendars have. */
const clamp = (seconds: number): number => Math.min(Math.max(seconds, 0), 8_640_000_000_000);
