import { BaseError } from "../errors.ts";
import {
  AlreadyAnsweredError,
  CancelledError,
  EnclaveOrderError,
  IdempotencyMismatchError,
  NotServingError,
  OperatorSignerError,
  OverloadedError,
  PromptTooLongError,
  TooLongToProveError,
} from "../executor/errors.ts";
import { ChatTemplateError } from "../model/errors.ts";
import { InvalidChatError } from "../sdk/errors.ts";

/** What an HTTP error says beyond its message. */
export interface ApiErrorOptions {
  readonly status: number;
  /** OpenAI's error class, e.g. `invalid_request_error`. */
  readonly type: string;
  /** Field of the request that is at fault. */
  readonly param?: string;
  readonly code?: string;
  /** Value of `x-should-retry`; left out, clients decide by the status. */
  readonly shouldRetry?: boolean;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** An error as OpenAI's clients expect it. */
export class ApiError extends BaseError {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly apiCode: string | null;
  readonly shouldRetry: boolean | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: ApiErrorOptions) {
    super(message, { code: `api.${options.code ?? options.type}`, cause: options.cause });
    this.status = options.status;
    this.type = options.type;
    this.param = options.param ?? null;
    this.apiCode = options.code ?? null;
    this.shouldRetry = options.shouldRetry;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The response body. */
  get body() {
    return { error: { message: this.shortMessage, type: this.type, param: this.param, code: this.apiCode } };
  }

  /** The response headers beyond the usual ones. */
  get headers(): Record<string, string> {
    return {
      ...(this.shouldRetry === undefined ? {} : { "x-should-retry": String(this.shouldRetry) }),
      ...(this.retryAfterSeconds === undefined ? {} : { "retry-after": String(this.retryAfterSeconds) }),
    };
  }
}

/** The client sent something that this server does not take: 400 with the parameter's name. */
export function invalidRequest(message: string, param?: string, code?: string): ApiError {
  return new ApiError(message, {
    status: 400,
    type: "invalid_request_error",
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { code }),
  });
}

/** Nothing is at this address. */
export function notFound(message: string, code: string, param?: string): ApiError {
  const named = param === undefined ? {} : { param };
  return new ApiError(message, { status: 404, type: "invalid_request_error", code, ...named });
}

const REASONS_TO_GO_ELSEWHERE: ReadonlySet<string> = new Set(["executor_suspended", "executor_exiting"]);

/** What a client is told of a failure. Messages of unknown errors stay inside: they may quote prompts or paths. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InvalidChatError) return invalidRequest(error.shortMessage, error.param, error.apiCode);
  const message = error instanceof BaseError ? error.message : "";
  const make = (options: ApiErrorOptions) => new ApiError(message, { ...options, cause: error });
  const invalid = { status: 400, type: "invalid_request_error" };
  const unavailable = { status: 503, type: "server_error" };
  if (error instanceof ChatTemplateError) return make({ ...invalid, param: "messages", code: "invalid_messages" });
  if (error instanceof EnclaveOrderError) return make({ ...invalid, param: error.field, code: "invalid_order" });
  if (error instanceof PromptTooLongError) return make({ ...invalid, param: "messages", code: "prompt_too_long" });
  if (error instanceof TooLongToProveError) return make({ ...invalid, param: "max_tokens", code: "too_long_to_prove" });
  if (error instanceof OverloadedError)
    return make({ status: 429, type: "rate_limit_error", code: "overloaded", shouldRetry: true, retryAfterSeconds: 1 });
  if (error instanceof NotServingError)
    return make({ ...unavailable, code: error.reason, shouldRetry: !REASONS_TO_GO_ELSEWHERE.has(error.reason) });
  if (error instanceof AlreadyAnsweredError)
    return make({ status: 409, type: "conflict_error", code: "request_already_answered", shouldRetry: false });
  if (error instanceof IdempotencyMismatchError)
    return make({
      status: 422,
      type: "invalid_request_error",
      param: "Idempotency-Key",
      code: "idempotency_key_reused",
    });
  // The receipt exists and will be committed: asking again would buy a second answer.
  if (error instanceof OperatorSignerError)
    return make({ ...unavailable, code: "receipt_pending", shouldRetry: false });
  if (error instanceof CancelledError) return make({ ...unavailable, code: "cancelled", shouldRetry: true });
  return new ApiError("The server had an error while processing your request.", {
    status: 500,
    type: "server_error",
    code: "internal_error",
    cause: error,
  });
}
