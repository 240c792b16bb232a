import { BaseError } from "../errors.ts";

/** The health server cannot listen where it is told to. */
export class HealthListenError extends BaseError {
  constructor(host: string, port: number, cause: unknown) {
    super(`Health and metrics cannot be served at ${host}:${port}.`, {
      code: "metrics.listen",
      metaMessages: ["Set executor.metricsPort or fisherman.metricsPort to a free port; 0 takes any."],
      cause,
    });
  }
}
