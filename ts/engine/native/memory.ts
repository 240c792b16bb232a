import koffi from "koffi";
import { MachineMemoryError } from "../errors.ts";
import type { MachineMemory } from "../plan/plan-machine.ts";

const ALIGNMENT = 64;

/** Memory of this process: buffers that stay where they are, and their addresses. */
export class ProcessMemory implements MachineMemory {
  /** By address, ascending. */
  readonly #blocks: { at: number; bytes: number; buffer: ArrayBufferLike; offset: number }[] = [];

  take(bytes: number): number {
    let buffer: ArrayBuffer;
    try {
      buffer = new ArrayBuffer(bytes + ALIGNMENT);
    } catch (cause) {
      throw new MachineMemoryError("native", bytes, cause);
    }
    const start = Number(koffi.address(buffer));
    const at = Math.ceil(start / ALIGNMENT) * ALIGNMENT;
    this.#add(at, bytes, buffer, at - start);
    return at;
  }

  adopt(buffer: ArrayBufferLike): number {
    const at = Number(koffi.address(buffer));
    this.#add(at, buffer.byteLength, buffer, 0);
    return at;
  }

  give(at: number): void {
    const found = this.#blocks.findIndex((block) => block.at === at);
    if (found >= 0) this.#blocks.splice(found, 1);
  }

  bytes(at: number, length: number): Uint8Array {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#blocks[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    const block = this.#blocks[low - 1];
    if (length === 0) return new Uint8Array();
    if (block === undefined || at + length > block.at + block.bytes) throw new RangeError(`no memory at ${at}`);
    return new Uint8Array(block.buffer, block.offset + at - block.at, length);
  }

  #add(at: number, bytes: number, buffer: ArrayBufferLike, offset: number): void {
    const next = this.#blocks.findIndex((block) => block.at > at);
    this.#blocks.splice(next < 0 ? this.#blocks.length : next, 0, { at, bytes, buffer, offset });
  }
}
