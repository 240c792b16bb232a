import type { Calibration } from "./calibration.ts";
import type { LlamaConfig } from "./config.ts";
import type { Format } from "./formats.ts";
import type { ActivationType } from "./linear.ts";
import type { ProgramBuilder } from "./program-builder.ts";
import type { TensorSource } from "./tensors.ts";
import type { WeightsBuilder } from "./weights-builder.ts";

/**
 * Types of the activations that enter the matrix products: i16 costs twice the bytes on-chain and is 256 times finer.
 */
export type Activations = {
  /** Into q, k and v. */
  readonly attention: ActivationType;
  /** Into the attention's output projection. */
  readonly mixed: ActivationType;
  /** Into gate and up. */
  readonly mlp: ActivationType;
  /** Into down. */
  readonly gated: ActivationType;
  readonly head: ActivationType;
};

/** A compilation in progress. */
export type Compilation = {
  readonly config: LlamaConfig;
  readonly activations: Activations;
  /** Format of the residual stream. */
  readonly residual: Format;
  readonly tensors: TensorSource;
  readonly program: ProgramBuilder;
  readonly weights: WeightsBuilder;
  /** Rounds the weights by it, if there is one. */
  readonly calibration: Calibration | undefined;
};
