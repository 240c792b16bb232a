import { BaseError } from "../errors.ts";

/** A file of a package, or a root recomputed from it, is not what `model.json` states. */
export class ModelCorruptError extends BaseError {
  /** File or field of `model.json` that fails. */
  readonly file: string;
  readonly expected: string;
  readonly got: string;

  constructor(file: string, expected: string, got: string) {
    super(`The model package is corrupt: ${file} does not match.`, {
      code: "model.corrupt",
      metaMessages: [
        `Expected: ${expected}`,
        `Got: ${got}`,
        "Fetch the package again, or build it anew from its source.",
      ],
    });
    this.file = file;
    this.expected = expected;
    this.got = got;
  }
}

/** A file is shorter or longer than stated. */
export class ModelTruncatedError extends BaseError {
  readonly file: string;
  readonly expected: number;
  readonly got: number;

  constructor(file: string, expected: number, got: number) {
    super(`${file} has another size than stated.`, {
      code: "model.truncated",
      metaMessages: [
        `Expected: ${expected} bytes`,
        `Got: ${got} bytes`,
        "The download or copy may have been cut short.",
      ],
    });
    this.file = file;
    this.expected = expected;
    this.got = got;
  }
}

/** A file that belongs to the model is not there. */
export class ModelFileMissingError extends BaseError {
  readonly file: string;

  constructor(file: string, cause?: unknown) {
    super(`${file} cannot be read.`, {
      code: "model.missing",
      metaMessages: ["Check the path, and that the folder is a whole model."],
      cause,
    });
    this.file = file;
  }
}

/** `model.json` is of another format, or breaks the schema. */
export class ModelFormatError extends BaseError {
  constructor(file: string, expected: string, got: string, cause?: unknown) {
    super(`${file} is not in a supported format.`, {
      code: "model.format",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
      cause,
    });
  }
}

/** The package holds another model than the one asked for. */
export class ModelMismatchError extends BaseError {
  readonly expected: string;
  readonly got: string;

  constructor(expected: string, got: string) {
    super("The package holds another model.", {
      code: "model.mismatch",
      metaMessages: [`Expected modelId: ${expected}`, `Got modelId: ${got}`],
    });
    this.expected = expected;
    this.got = got;
  }
}

/** A folder to be written exists already. */
export class ModelExistsError extends BaseError {
  constructor(dir: string) {
    super(`${dir} exists already.`, {
      code: "model.exists",
      metaMessages: ["Choose another folder, or ask to replace it."],
    });
  }
}

/** The bytes are not a safetensors file. */
export class SafetensorsError extends BaseError {
  constructor(file: string, reason: string, cause?: unknown) {
    super(`${file} is not a valid safetensors file.`, { code: "model.safetensors", metaMessages: [reason], cause });
  }
}

/** A GGUF file is malformed, cut short, or of a kind that is not read here. */
export class GgufError extends BaseError {
  /** The tensor that is at fault, if it is one. */
  readonly tensor: string | undefined;

  constructor(file: string, reason: string, { tensor, cause }: { tensor?: string; cause?: unknown } = {}) {
    super(`${file} cannot be read as a GGUF model.`, {
      code: "model.gguf",
      metaMessages: [tensor === undefined ? reason : `Tensor ${tensor}: ${reason}`],
      cause,
    });
    this.tensor = tensor;
  }
}

/** A model cannot be downloaded. */
export class ModelDownloadError extends BaseError {
  constructor(url: string, reason: string, cause?: unknown) {
    super(`${url} cannot be downloaded.`, {
      code: "model.download",
      metaMessages: [reason, "Try again, or name another index with --index."],
      retryable: true,
      cause,
    });
  }
}

/** The tokenizer is of a kind whose token bytes are not defined here. */
export class UnsupportedTokenizerError extends BaseError {
  constructor(reason: string, cause?: unknown) {
    super("This tokenizer is not supported.", {
      code: "model.tokenizer",
      metaMessages: [reason, "Supported: BPE with byte-level or byte-fallback decoding."],
      cause,
    });
  }
}

/** The vocabulary has no such token. */
export class UnknownTokenError extends BaseError {
  constructor(token: string, vocabSize: number) {
    super("The tokenizer has no such token.", {
      code: "model.token",
      metaMessages: [`Got: ${token}`, `Vocabulary: 0..${vocabSize - 1}`],
    });
  }
}

/** The chat template is absent or cannot be rendered with these messages. */
export class ChatTemplateError extends BaseError {
  constructor(reason: string, cause?: unknown) {
    super("The conversation cannot be turned into a prompt.", {
      code: "model.chat_template",
      metaMessages: [reason],
      cause,
    });
  }
}
