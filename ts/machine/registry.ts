import { type Instruction, nameOf } from "./instruction.ts";
import { add } from "./instructions/add.ts";
import { dequant } from "./instructions/dequant.ts";
import { divide } from "./instructions/divide.ts";
import { draw } from "./instructions/draw.ts";
import { embed } from "./instructions/embed.ts";
import { exp2 } from "./instructions/exp2.ts";
import { foldAmax } from "./instructions/fold_amax.ts";
import { foldDot } from "./instructions/fold_dot.ts";
import { foldMax } from "./instructions/fold_max.ts";
import { foldMix } from "./instructions/fold_mix.ts";
import { foldPick } from "./instructions/fold_pick.ts";
import { foldScores } from "./instructions/fold_scores.ts";
import { foldSum } from "./instructions/fold_sum.ts";
import { foldSumsq } from "./instructions/fold_sumsq.ts";
import { gate } from "./instructions/gate.ts";
import { norm } from "./instructions/norm.ts";
import { quantize } from "./instructions/quantize.ts";
import { rescale } from "./instructions/rescale.ts";
import { rms } from "./instructions/rms.ts";
import { rope } from "./instructions/rope.ts";
import { weigh } from "./instructions/weigh.ts";
import type { InstructionSemantics } from "./semantics.ts";
import type { InstructionName } from "./table.ts";

/** The meaning of every instruction, by name. */
export const SEMANTICS: Readonly<Record<InstructionName, InstructionSemantics>> = {
  fold_sumsq: foldSumsq,
  fold_amax: foldAmax,
  fold_max: foldMax,
  fold_sum: foldSum,
  fold_pick: foldPick,
  fold_dot: foldDot,
  fold_scores: foldScores,
  fold_mix: foldMix,
  embed,
  rms,
  norm,
  quantize,
  dequant,
  add,
  rope,
  rescale,
  exp2,
  divide,
  gate,
  weigh,
  draw,
};

/** The meaning of an instruction; throws for an opcode that this machine version lacks. */
export function semanticsOf(instruction: Instruction): InstructionSemantics {
  return SEMANTICS[nameOf(instruction)];
}
