import { MachineMemoryError } from "../errors.ts";
import type { MachineMemory } from "../plan/plan-machine.ts";

const PAGE = 65_536;
/** Pages that 32-bit addresses reach. */
const MAX_PAGES = 65_536;
/** Bytes before the first place: address 0 means "none". */
const RESERVED = 1024;
const ALIGNMENT = 64;

/** A shared WebAssembly memory with an allocator: first fit, neighbours that are free become one. */
export class SharedMemory implements MachineMemory {
  readonly memory: WebAssembly.Memory;
  #end = RESERVED;
  #free: { at: number; bytes: number }[] = [];
  readonly #taken = new Map<number, number>();

  /** @param reserved Bytes at the front that the module's own data take. */
  constructor(reserved: number) {
    this.#end = align(reserved + RESERVED);
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(this.#end / PAGE), maximum: MAX_PAGES, shared: true });
  }

  /** A view of the bytes at an address. Views stay valid when the memory grows. */
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  take(bytes: number): number {
    const wanted = align(Math.max(bytes, 1));
    const hole = this.#free.find((candidate) => candidate.bytes >= wanted);
    let at: number;
    if (hole === undefined) {
      at = this.#end;
      this.#grow(at + wanted);
      this.#end = at + wanted;
    } else {
      at = hole.at;
      hole.at += wanted;
      hole.bytes -= wanted;
      if (hole.bytes === 0) this.#free = this.#free.filter((other) => other !== hole);
    }
    this.#taken.set(at, wanted);
    return at;
  }

  adopt(buffer: ArrayBufferLike): number {
    const at = this.take(buffer.byteLength);
    this.bytes(at, buffer.byteLength).set(new Uint8Array(buffer));
    return at;
  }

  give(at: number): void {
    const bytes = this.#taken.get(at);
    if (bytes === undefined) return;
    this.#taken.delete(at);
    const holes = [...this.#free, { at, bytes }].sort((x, y) => x.at - y.at);
    this.#free = [];
    for (const hole of holes) {
      const before = this.#free.at(-1);
      if (before !== undefined && before.at + before.bytes === hole.at) before.bytes += hole.bytes;
      else this.#free.push(hole);
    }
  }

  #grow(end: number): void {
    const missing = Math.ceil(end / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing <= 0) return;
    try {
      this.memory.grow(missing);
    } catch (cause) {
      throw new MachineMemoryError("wasm", end, cause);
    }
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
