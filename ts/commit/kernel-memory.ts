/** What every kernel exports: its memory, and room in it. */
export type KernelExports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  allocate(bytes: number): number;
};

/** Named regions of a kernel's memory. It never gives memory back, so a region is used again until it is too small. */
export class KernelMemory {
  readonly #exports: KernelExports;
  readonly #regions = new Map<string, { readonly at: number; readonly size: number }>();

  constructor(exports: KernelExports) {
    this.#exports = exports;
  }

  /** Address of the region of this name, with room for `size` bytes. Its content is lost if it had less. */
  room(name: string, size: number): number {
    const known = this.#regions.get(name);
    if (known !== undefined && known.size >= size) return known.at;
    const at = this.#exports.allocate(size);
    this.#regions.set(name, { at, size });
    return at;
  }

  /** Writes bytes to the region of this name; returns its address. */
  put(name: string, bytes: Uint8Array): number {
    const at = this.room(name, bytes.length);
    new Uint8Array(this.#exports.memory.buffer).set(bytes, at);
    return at;
  }

  /** A copy of `size` bytes. */
  take(at: number, size: number): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer).slice(at, at + size);
  }
}
