// SPDX-License-Identifier: GPL-3.0-only
import type { Curve } from "ffjavascript";

const PAGE = 65_536;

/** Memory of the curve's instance of this thread, for good. @returns A pointer to `bytes` bytes. */
export function reserve(curve: Curve, bytes: number): number {
  const { memory } = curve.tm;
  const start = memory.buffer.byteLength;
  memory.grow(Math.ceil(bytes / PAGE));
  // Growing has detached the views that the curve works with.
  curve.tm.u8 = new Uint8Array(memory.buffer);
  curve.tm.u32 = new Uint32Array(memory.buffer);
  return start;
}
