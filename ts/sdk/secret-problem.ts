import { fromHex, type Hex } from "../commit/bytes.ts";
import { secretOf } from "../commit/record.ts";
import type { Request } from "../commit/typed-data.ts";

/** Longest run of equal bytes in a secret: 32 random bytes have a longer one in less than one case of 2^40. */
const LONGEST_RUN = 6;

/**
 * Why a confidential request does not hide its content: what its seed commits to is missing, or can be guessed, and with it the tokens. Random
 * bytes do not repeat one byte for long; small numbers, padded text and constants do.
 */
export function secretProblem({
  request,
  secret,
}: {
  readonly request: Pick<Request, "confidential" | "seed">;
  readonly secret?: Hex;
}): string | undefined {
  if (!request.confidential) return secret === undefined ? undefined : "a public request has no secret";
  if (secret === undefined) return "the request is confidential, and no secret is known";
  if (secretOf(request, secret) === undefined) return "the seed commits to another secret";
  const bytes = fromHex(secret);
  let [run, longest] = [1, 1];
  for (let i = 1; i < bytes.length; i++) {
    run = bytes[i] === bytes[i - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  return longest <= LONGEST_RUN ? undefined : "the secret can be guessed: use 32 random bytes";
}
