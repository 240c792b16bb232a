import { WeightStore } from "../machine/weights.ts";

/** The model's matrices with weights of fewer bits (2 to 7), as somebody keeps them who wants to save memory: same shapes, same scales. */
export function requantised({ buffer, sections }: WeightStore, bits: number): WeightStore {
  const step = 2 ** (8 - bits);
  const most = 127 - (127 % step);
  const copy = new SharedArrayBuffer(buffer.byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer));
  for (const { type, length, count, byteOffset } of sections) {
    if (type !== "i8") continue;
    const weights = new Int8Array(copy, byteOffset, length * count);
    for (let i = 0; i < weights.length; i++)
      weights[i] = Math.max(-most, Math.min(most, Math.round(weights[i]! / step) * step));
  }
  return new WeightStore(copy, sections);
}
