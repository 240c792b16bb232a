// SPDX-License-Identifier: GPL-3.0-only
import { BaseError } from "../errors.ts";

/** The segments of a long fold are not drawn yet: first its states are posted, then a round has its value. */
export class BlocksNotDrawnError extends BaseError {
  constructor(pair: number) {
    super("The segments of this fold are not drawn yet.", {
      code: "circuit.blocksNotDrawn",
      metaMessages: [`Pair ${pair}: post the root of its states, then wait for the round.`],
    });
  }
}

/** A prover gave something that is no proof of what it was asked for. */
export class ProverError extends BaseError {
  constructor(circuit: string, reason: string) {
    super(`The circuit ${circuit} could not be proven: ${reason}.`, { code: "circuit.prover" });
  }
}

/** circom refused a circuit. */
export class CircuitCompileError extends BaseError {
  constructor(main: string, output: string) {
    super("A circuit does not compile.", { code: "circuit.compile", metaMessages: [main, output] });
  }
}

/** The bytes are not an R1CS file. */
export class R1csError extends BaseError {
  constructor(reason: string) {
    super("This is not a valid R1CS file.", { code: "circuit.r1cs", metaMessages: [reason] });
  }
}

/** No witness exists for the inputs that a circuit was given: an assertion of it fails. */
export class NoWitnessError extends BaseError {
  constructor(code: number, messages: readonly string[]) {
    super("These inputs have no witness.", { code: "circuit.witness", metaMessages: [`code ${code}`, ...messages] });
  }
}

/** A row, a step or an instruction that the circuits' documented maximum does not cover. */
export class CircuitLimitError extends BaseError {
  constructor(what: string, value: number, limit: number) {
    super(`The circuits take no ${what} beyond ${limit}.`, { code: "circuit.limit", metaMessages: [`${value}`] });
  }
}

/** A circuit's key is absent, another than the committed one, or not to be used here. */
export class CircuitKeyError extends BaseError {
  constructor(circuit: string, reason: string) {
    super(`The circuit ${circuit} cannot be used: ${reason}.`, { code: "circuit.key" });
  }
}

/** The bytes are no proving key in snarkjs's format. */
export class ProvingKeyError extends BaseError {
  constructor(reason: string) {
    super("This is not a valid proving key.", { code: "circuit.zkey", metaMessages: [reason] });
  }
}
