import { tag } from "./bytes.ts";

/** Domain tags of every hash; docs/protocol.md, section 1. `src/libraries/Tags.sol` holds the same, checked by a test. */
export const TAGS = {
  weights: tag("OTR/weights/1"),
  program: tag("OTR/program/1"),
  instruction: tag("OTR/instruction/1"),
  input: tag("OTR/input/1"),
  output: tag("OTR/output/1"),
  token: tag("OTR/token/1"),
  trace: tag("OTR/trace/1"),
  record: tag("OTR/record/1"),
  cache: tag("OTR/cache/1"),
  fine: tag("OTR/fine/1"),
  row: tag("OTR/row/1"),
  batch: tag("OTR/batch/1"),
  tokenBytes: tag("OTR/token-bytes/1"),
  saltKey: tag("OTR/salt-key/1"),
  salt: tag("OTR/salt/1"),
  secret: tag("OTR/secret/1"),
  model: tag("OTR/model/1"),
  states: tag("OTR/states/1"),
} as const;
