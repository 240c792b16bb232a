/** What is used of the WebAssembly API: Node's types name only a part of it, and those of browsers bring everything else along. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: boolean });
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
  /** A compiled module; may be sent to other threads. */
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(
      module: Module,
      imports: { env?: { memory: Memory }; runtime?: { [name: string]: (code: number) => void } },
    );
    readonly exports: unknown;
  }
  function compile(bytes: Uint8Array): Promise<Module>;
  function validate(bytes: Uint8Array): boolean;
}
