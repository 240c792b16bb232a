/** Bytes to which every row is aligned: a vector register. */
const ALIGNMENT = 16;

/** Bytes that a row takes in an arena. Kernels may read, not write, up to the next multiple. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Places in a memory whose size is only known in the end. First fit; neighbours that are free become one. */
export class Arena {
  /** Bytes that have been in use at once, up to the last. */
  size = 0;
  readonly #free: { at: number; bytes: number }[] = [];

  take(bytes: number): number {
    const wanted = padded(bytes);
    const found = this.#free.findIndex((hole) => hole.bytes >= wanted);
    if (found >= 0) {
      const hole = this.#free[found]!;
      const { at } = hole;
      if (hole.bytes === wanted) this.#free.splice(found, 1);
      else this.#free[found] = { at: at + wanted, bytes: hole.bytes - wanted };
      return at;
    }
    // A hole at the end grows.
    const last = this.#free.at(-1);
    const at = last !== undefined && last.at + last.bytes === this.size ? this.#free.pop()!.at : this.size;
    this.size = at + wanted;
    return at;
  }

  give(at: number, bytes: number): void {
    let [from, to] = [at, at + padded(bytes)];
    let next = this.#free.findIndex((hole) => hole.at > at);
    if (next < 0) next = this.#free.length;
    const after = this.#free[next];
    if (after !== undefined && after.at === to) {
      to += after.bytes;
      this.#free.splice(next, 1);
    }
    const before = this.#free[next - 1];
    if (before !== undefined && before.at + before.bytes === from) {
      from = before.at;
      this.#free.splice(--next, 1);
    }
    this.#free.splice(next, 0, { at: from, bytes: to - from });
  }
}
