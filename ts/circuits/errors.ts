// SPDX-License-Identifier: GPL-3.0-only
import { BaseError } from "../errors.ts";

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
