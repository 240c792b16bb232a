import { BaseError } from "../errors.ts";

/** A model's configuration is not one that the compiler can express. */
export class UnsupportedConfigError extends BaseError {
  constructor(field: string, expected: string, got: string) {
    super(`The model's ${field} is not supported.`, {
      code: "compiler.config",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
    });
  }
}

/** A tensor is missing or has the wrong number of elements. */
export class TensorError extends BaseError {
  constructor(name: string, expected: number, got: number | undefined) {
    super(got === undefined ? `Tensor ${name} is missing.` : `Tensor ${name} has the wrong size.`, {
      code: "compiler.tensor",
      metaMessages: [
        `Expected: ${expected} elements`,
        `Got: ${got === undefined ? "nothing" : `${got} elements`}`,
        "Tensors go by their Hugging Face names; check that they belong to this configuration.",
      ],
    });
  }
}

/** Values so large or not finite that no fixed-point format of the machine holds them. */
export class TensorRangeError extends BaseError {
  constructor(name: string, value: number) {
    super(`Tensor ${name} holds values that the machine's fixed point cannot express.`, {
      code: "compiler.range",
      metaMessages: [`Largest magnitude: ${value}`],
    });
  }
}
