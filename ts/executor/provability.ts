import type { Address, Hex } from "viem";
import { getCode } from "viem/actions";
import { type OtrContext, read } from "../chain/context.ts";
import { ContractRevertError } from "../chain/errors.ts";
import { CIRCUIT_NAMES } from "../circuits/catalogue.ts";
import { WHOLE } from "../circuits/drawn-element.ts";
import { requireProvingKeys } from "../circuits/keys.ts";
import { obstacleAt, provablePositions } from "../circuits/provable.ts";
import { verifierKeys } from "../circuits/verifier-keys.ts";
import type { Program } from "../machine/program.ts";
import { UnprovableModelError, VerifierMismatchError } from "./errors.ts";
import type { ProvabilityPort } from "./ports.ts";

export interface ProvabilityOptions {
  readonly context: OtrContext;
  /** Programs by model id. */
  readonly programs: ReadonlyMap<Hex, Program>;
  readonly cacheDir?: string | undefined;
}

/** Says of what this executor serves whether it could answer for all that a court may draw: what it cannot answer convicts. */
export class Provability implements ProvabilityPort {
  readonly #o: ProvabilityOptions;
  readonly #positions = new Map<Hex, number>();
  /** Courts whose verifier takes the proofs that are made here. */
  readonly #matching = new Set<Address>();

  constructor(options: ProvabilityOptions) {
    this.#o = options;
  }

  async positions(court: Address, modelId: Hex): Promise<number> {
    if (!this.#matching.has(court)) {
      await this.#requireVerifier(court);
      await requireProvingKeys(this.#o.cacheDir);
      this.#matching.add(court);
    }
    const known = this.#positions.get(modelId);
    if (known !== undefined) return known;
    const program = this.#o.programs.get(modelId);
    if (program === undefined) throw new UnprovableModelError(modelId, "it is not loaded");
    const positions = provablePositions(program);
    if (positions === 0) {
      const { instruction, reason } = obstacleAt(program, 0)!;
      const where = instruction === undefined ? "the program" : `instruction ${instruction}`;
      throw new UnprovableModelError(modelId, `${where}: ${reason}`);
    }
    this.#positions.set(modelId, positions);
    return positions;
  }

  /** @throws VerifierMismatchError if it takes other proofs than those of the committed circuits */
  async #requireVerifier(court: Address): Promise<void> {
    const { context } = this.#o;
    const verifier = await read(context, "spotChecks", "VERIFIER", [], { address: court });
    const at = { address: verifier };
    const { keys } = verifierKeys();
    try {
      for (const [circuit, name] of CIRCUIT_NAMES.entries()) {
        const holder = await read(context, "elementVerifier", "keyOf", [circuit], at);
        const code = await getCode(context.client, { address: holder });
        // The key lies behind a STOP.
        const held = code === undefined ? "none" : `0x${code.slice(4)}`;
        if (held !== keys[circuit]) throw new VerifierMismatchError(verifier, `the key of ${name} is another one`);
      }
      const whole = await read(context, "elementVerifier", "WHOLE", [], at);
      if (whole !== BigInt(WHOLE)) throw new VerifierMismatchError(verifier, `it wants up to ${whole} proofs at once`);
    } catch (error) {
      if (!(error instanceof ContractRevertError)) throw error;
      throw new VerifierMismatchError(verifier, "it does not say which keys it has");
    }
  }
}
