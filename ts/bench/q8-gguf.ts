import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openGguf } from "../model/gguf.ts";

/** Block format codes of GGUF. */
const F32 = 0;
const Q8_0 = 8;
/** Values of a Q8_0 block, and its bytes: a half-precision scale and a byte each. */
const BLOCK = 32;
const BLOCK_BYTES = 34;
const ALIGNMENT = 32;

/**
 * The same GGUF model with its matrices in Q8_0, the format that comes closest to this machine's weights: for comparisons.
 * @returns Its path in `folder`; made once
 */
export async function q8Copy(path: string, folder: string): Promise<string> {
  const target = join(folder, `${basename(path, ".gguf")}.Q8_0.gguf`);
  if (existsSync(target)) return target;
  const file = await openGguf(path);
  const bytes = readFileSync(path);
  const header = metadataOf(bytes);
  const infos: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape }] of file.tensors) {
    const values = file.read(name)!;
    const matrix = shape.length > 1 && shape.at(-1)! % BLOCK === 0;
    const encoded = matrix ? toQ8(values) : new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    infos.push(tensorInfo(name, shape, matrix ? Q8_0 : F32, offset));
    const padded = new Uint8Array(Math.ceil(encoded.length / ALIGNMENT) * ALIGNMENT);
    padded.set(encoded);
    data.push(padded);
    offset += padded.length;
  }
  file.close();
  const head = Buffer.concat([header, ...infos]);
  const filler = new Uint8Array((ALIGNMENT - (head.length % ALIGNMENT)) % ALIGNMENT);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${target}.part`, Buffer.concat([head, filler, ...data]));
  renameSync(`${target}.part`, target);
  return target;
}

/** Everything before the tensor table: magic, counts, key-value pairs. */
function metadataOf(bytes: Buffer): Uint8Array {
  const pairs = Number(bytes.readBigUInt64LE(16));
  let at = 24;
  const string = () => {
    at += 8 + Number(bytes.readBigUInt64LE(at));
  };
  /** Bytes of the fixed types by code; strings are 8, arrays 9. */
  const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
  const value = (type: number) => {
    if (type === 8) return string();
    if (type !== 9) {
      at += sizes[type]!;
      return;
    }
    const element = bytes.readUInt32LE(at);
    const count = Number(bytes.readBigUInt64LE(at + 4));
    at += 12;
    for (let i = 0; i < count; i++) value(element);
  };
  for (let i = 0; i < pairs; i++) {
    string();
    const type = bytes.readUInt32LE(at);
    at += 4;
    value(type);
  }
  return bytes.subarray(0, at);
}

function tensorInfo(name: string, shape: readonly number[], type: number, offset: number): Uint8Array {
  const text = Buffer.from(name);
  const info = Buffer.alloc(8 + text.length + 4 + 8 * shape.length + 4 + 8);
  let at = info.writeBigUInt64LE(BigInt(text.length), 0);
  at += text.copy(info, at);
  at = info.writeUInt32LE(shape.length, at);
  // The dimension that lies together comes first.
  for (const size of shape.toReversed()) at = info.writeBigUInt64LE(BigInt(size), at);
  at = info.writeUInt32LE(type, at);
  info.writeBigUInt64LE(BigInt(offset), at);
  return info;
}

function toQ8(values: Float32Array): Uint8Array {
  const out = new Uint8Array((values.length / BLOCK) * BLOCK_BYTES);
  const view = new DataView(out.buffer);
  for (let block = 0, at = 0; block < values.length; block += BLOCK, at += BLOCK_BYTES) {
    let top = 0;
    for (let i = 0; i < BLOCK; i++) top = Math.max(top, Math.abs(values[block + i]!));
    const scale = top / 127;
    view.setFloat16(at, scale, true);
    for (let i = 0; i < BLOCK; i++) {
      view.setInt8(at + 2 + i, scale === 0 ? 0 : Math.round(values[block + i]! / scale));
    }
  }
  return out;
}
