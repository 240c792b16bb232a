import { Template } from "@huggingface/jinja";
import { ChatTemplateError } from "./errors.ts";

/** One message of a conversation. */
export type ChatMessage = { readonly role: string; readonly content: string };

/** Names of special tokens that templates may use; absent ones are left undefined. */
export type TemplateTokens = Readonly<
  Record<"bos_token" | "eos_token" | "pad_token" | "unk_token", string | undefined>
>;

/** First of the private-use characters that mark where a special token's text is broken up. */
const FIRST_MARK = 0xe000;
const LAST_MARK = 0xf8ff;

/** A model's chat template: Jinja source that turns messages into prompt text. */
export class ChatTemplate {
  readonly #template: Template | undefined;
  readonly #tokens: Record<string, string>;

  /** @param source Empty for a model without a template. */
  constructor(source: string, tokens: TemplateTokens) {
    this.#tokens = Object.fromEntries(
      Object.entries(tokens).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    try {
      this.#template = source.trim() === "" ? undefined : new Template(source);
    } catch (cause) {
      throw new ChatTemplateError("The template is not valid Jinja.", cause);
    }
  }

  get empty(): boolean {
    return this.#template === undefined;
  }

  /** The prompt text. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    if (this.#template === undefined) throw new ChatTemplateError("This model has no chat template.");
    try {
      return this.#template.render({
        ...this.#tokens,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ChatTemplateError(`The template refuses these messages: ${reason}`, cause);
    }
  }

  /**
   * The prompt text in pieces, to be encoded one by one: a cut lies inside every special token that a message's content
   * spells out, so that a tokenizer cannot take it for one. Without such content there is one piece.
   */
  renderGuarded(messages: readonly ChatMessage[], addGenerationPrompt: boolean, specials: readonly string[]): string[] {
    const texts = messages.flatMap((message) => [message.role, message.content]);
    const risky = specials.filter((special) => texts.some((text) => text.includes(special)));
    if (risky.length === 0) return [this.render(messages, addGenerationPrompt)];
    const mark = unusedMark(texts);
    const guard = (text: string) =>
      risky.reduce((guarded, special) => {
        const [first] = special;
        return guarded.replaceAll(special, () => first + mark + special.slice(first.length));
      }, text);
    const guarded = messages.map(({ role, content }) => ({ role, content: guard(content) }));
    return this.render(guarded, addGenerationPrompt).split(mark);
  }
}

function unusedMark(texts: readonly string[]): string {
  for (let code = FIRST_MARK; code <= LAST_MARK; code++) {
    const mark = String.fromCharCode(code);
    if (!texts.some((text) => text.includes(mark))) return mark;
  }
  throw new ChatTemplateError("The messages use every private-use character.");
}
