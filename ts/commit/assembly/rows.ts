// Leaves of weight rows, many rows at a time: SHA-256 of each 32-byte chunk, Keccak-256 up the row's tree, then the row's leaf
// (docs/protocol.md, section 1). ts/commit/row.ts is the specification. AssemblyScript with SIMD: four rows go
// through SHA-256 side by side, two through Keccak. ts/commit/kernel-module.ts compiles it.

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4). */
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** Keccak's round constants (FIPS 202). */
const ROUNDS = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
  0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
  0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
  0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
  0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
]);

/** Message schedule of four SHA-256 blocks. */
const W: usize = memory.data(64 * 16, 16);
/** Two Keccak states, element by element. */
const STATES: usize = memory.data(25 * 16, 16);
/** Where to a Keccak state's digest goes, when a row's partner is not there. */
const NOWHERE: usize = memory.data(32);

const CHUNK = 32;

/** Memory for the host, 16 bytes aligned, never given back. */
export function allocate(bytes: usize): usize {
  return heap.alloc(bytes);
}

// @ts-ignore: decorator
@inline
function rotr(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}

// @ts-ignore: decorator
@inline
function rotl(x: v128, n: i32): v128 {
  return v128.or(i64x2.shl(x, n), i64x2.shr_u(x, 64 - n));
}

// @ts-ignore: decorator
@inline
function word(at: usize): u32 {
  return bswap(load<u32>(at));
}

// @ts-ignore: decorator
@inline
function words(a: usize, b: usize, c: usize, d: usize): v128 {
  let x = i32x4.splat(word(a));
  x = i32x4.replace_lane(x, 1, word(b));
  x = i32x4.replace_lane(x, 2, word(c));
  return i32x4.replace_lane(x, 3, word(d));
}

/** SHA-256 of the 32 bytes at each of a, b, c, d; the digests go to `out` and the next three `stride` bytes on each. */
function sha256(a: usize, b: usize, c: usize, d: usize, out: usize, stride: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(W + 16 * i, words(a + 4 * i, b + 4 * i, c + 4 * i, d + 4 * i));
  // Padding: one bit, zeros, the length of 256 bits.
  v128.store(W, i32x4.splat(0x80000000), 16 * 8);
  for (let i: usize = 9; i < 15; i++) v128.store(W + 16 * i, i32x4.splat(0));
  v128.store(W, i32x4.splat(256), 16 * 15);
  for (let i: usize = 16; i < 64; i++) {
    const at = W + 16 * i;
    const w15 = v128.load(at - 16 * 15);
    const w2 = v128.load(at - 16 * 2);
    const s0 = v128.xor(v128.xor(rotr(w15, 7), rotr(w15, 18)), i32x4.shr_u(w15, 3));
    const s1 = v128.xor(v128.xor(rotr(w2, 17), rotr(w2, 19)), i32x4.shr_u(w2, 10));
    v128.store(at, i32x4.add(i32x4.add(v128.load(at - 16 * 16), s0), i32x4.add(v128.load(at - 16 * 7), s1)));
  }
  let aa = i32x4.splat(0x6a09e667);
  let bb = i32x4.splat(0xbb67ae85);
  let cc = i32x4.splat(0x3c6ef372);
  let dd = i32x4.splat(0xa54ff53a);
  let ee = i32x4.splat(0x510e527f);
  let ff = i32x4.splat(0x9b05688c);
  let gg = i32x4.splat(0x1f83d9ab);
  let hh = i32x4.splat(0x5be0cd19);
  for (let i: usize = 0; i < 64; i++) {
    const s1 = v128.xor(v128.xor(rotr(ee, 6), rotr(ee, 11)), rotr(ee, 25));
    const choice = v128.bitselect(ff, gg, ee);
    const k = v128.load32_splat(K + 4 * i);
    const t1 = i32x4.add(i32x4.add(i32x4.add(hh, s1), i32x4.add(choice, k)), v128.load(W + 16 * i));
    const s0 = v128.xor(v128.xor(rotr(aa, 2), rotr(aa, 13)), rotr(aa, 22));
    const majority = v128.bitselect(v128.or(bb, cc), v128.and(bb, cc), aa);
    hh = gg;
    gg = ff;
    ff = ee;
    ee = i32x4.add(dd, t1);
    dd = cc;
    cc = bb;
    bb = aa;
    aa = i32x4.add(t1, i32x4.add(s0, majority));
  }
  digest(out + 0, stride, i32x4.add(aa, i32x4.splat(0x6a09e667)));
  digest(out + 4, stride, i32x4.add(bb, i32x4.splat(0xbb67ae85)));
  digest(out + 8, stride, i32x4.add(cc, i32x4.splat(0x3c6ef372)));
  digest(out + 12, stride, i32x4.add(dd, i32x4.splat(0xa54ff53a)));
  digest(out + 16, stride, i32x4.add(ee, i32x4.splat(0x510e527f)));
  digest(out + 20, stride, i32x4.add(ff, i32x4.splat(0x9b05688c)));
  digest(out + 24, stride, i32x4.add(gg, i32x4.splat(0x1f83d9ab)));
  digest(out + 28, stride, i32x4.add(hh, i32x4.splat(0x5be0cd19)));
}

// @ts-ignore: decorator
@inline
function digest(out: usize, stride: usize, x: v128): void {
  store<u32>(out, bswap(i32x4.extract_lane(x, 0)));
  store<u32>(out + stride, bswap(i32x4.extract_lane(x, 1)));
  store<u32>(out + 2 * stride, bswap(i32x4.extract_lane(x, 2)));
  store<u32>(out + 3 * stride, bswap(i32x4.extract_lane(x, 3)));
}

/** Keccak-f[1600] of both states. */
function permute(): void {
  let a0 = v128.load(STATES, 0);
  let a1 = v128.load(STATES, 16);
  let a2 = v128.load(STATES, 32);
  let a3 = v128.load(STATES, 48);
  let a4 = v128.load(STATES, 64);
  let a5 = v128.load(STATES, 80);
  let a6 = v128.load(STATES, 96);
  let a7 = v128.load(STATES, 112);
  let a8 = v128.load(STATES, 128);
  let a9 = v128.load(STATES, 144);
  let a10 = v128.load(STATES, 160);
  let a11 = v128.load(STATES, 176);
  let a12 = v128.load(STATES, 192);
  let a13 = v128.load(STATES, 208);
  let a14 = v128.load(STATES, 224);
  let a15 = v128.load(STATES, 240);
  let a16 = v128.load(STATES, 256);
  let a17 = v128.load(STATES, 272);
  let a18 = v128.load(STATES, 288);
  let a19 = v128.load(STATES, 304);
  let a20 = v128.load(STATES, 320);
  let a21 = v128.load(STATES, 336);
  let a22 = v128.load(STATES, 352);
  let a23 = v128.load(STATES, 368);
  let a24 = v128.load(STATES, 384);
  for (let round: usize = 0; round < 24; round++) {
    const c0 = v128.xor(v128.xor(v128.xor(a0, a5), v128.xor(a10, a15)), a20);
    const c1 = v128.xor(v128.xor(v128.xor(a1, a6), v128.xor(a11, a16)), a21);
    const c2 = v128.xor(v128.xor(v128.xor(a2, a7), v128.xor(a12, a17)), a22);
    const c3 = v128.xor(v128.xor(v128.xor(a3, a8), v128.xor(a13, a18)), a23);
    const c4 = v128.xor(v128.xor(v128.xor(a4, a9), v128.xor(a14, a19)), a24);
    const d0 = v128.xor(c4, rotl(c1, 1));
    const d1 = v128.xor(c0, rotl(c2, 1));
    const d2 = v128.xor(c1, rotl(c3, 1));
    const d3 = v128.xor(c2, rotl(c4, 1));
    const d4 = v128.xor(c3, rotl(c0, 1));
    const b0 = v128.xor(a0, d0);
    const b10 = rotl(v128.xor(a1, d1), 1);
    const b20 = rotl(v128.xor(a2, d2), 62);
    const b5 = rotl(v128.xor(a3, d3), 28);
    const b15 = rotl(v128.xor(a4, d4), 27);
    const b16 = rotl(v128.xor(a5, d0), 36);
    const b1 = rotl(v128.xor(a6, d1), 44);
    const b11 = rotl(v128.xor(a7, d2), 6);
    const b21 = rotl(v128.xor(a8, d3), 55);
    const b6 = rotl(v128.xor(a9, d4), 20);
    const b7 = rotl(v128.xor(a10, d0), 3);
    const b17 = rotl(v128.xor(a11, d1), 10);
    const b2 = rotl(v128.xor(a12, d2), 43);
    const b12 = rotl(v128.xor(a13, d3), 25);
    const b22 = rotl(v128.xor(a14, d4), 39);
    const b23 = rotl(v128.xor(a15, d0), 41);
    const b8 = rotl(v128.xor(a16, d1), 45);
    const b18 = rotl(v128.xor(a17, d2), 15);
    const b3 = rotl(v128.xor(a18, d3), 21);
    const b13 = rotl(v128.xor(a19, d4), 8);
    const b14 = rotl(v128.xor(a20, d0), 18);
    const b24 = rotl(v128.xor(a21, d1), 2);
    const b9 = rotl(v128.xor(a22, d2), 61);
    const b19 = rotl(v128.xor(a23, d3), 56);
    const b4 = rotl(v128.xor(a24, d4), 14);
    a0 = v128.xor(b0, v128.andnot(b2, b1));
    a1 = v128.xor(b1, v128.andnot(b3, b2));
    a2 = v128.xor(b2, v128.andnot(b4, b3));
    a3 = v128.xor(b3, v128.andnot(b0, b4));
    a4 = v128.xor(b4, v128.andnot(b1, b0));
    a5 = v128.xor(b5, v128.andnot(b7, b6));
    a6 = v128.xor(b6, v128.andnot(b8, b7));
    a7 = v128.xor(b7, v128.andnot(b9, b8));
    a8 = v128.xor(b8, v128.andnot(b5, b9));
    a9 = v128.xor(b9, v128.andnot(b6, b5));
    a10 = v128.xor(b10, v128.andnot(b12, b11));
    a11 = v128.xor(b11, v128.andnot(b13, b12));
    a12 = v128.xor(b12, v128.andnot(b14, b13));
    a13 = v128.xor(b13, v128.andnot(b10, b14));
    a14 = v128.xor(b14, v128.andnot(b11, b10));
    a15 = v128.xor(b15, v128.andnot(b17, b16));
    a16 = v128.xor(b16, v128.andnot(b18, b17));
    a17 = v128.xor(b17, v128.andnot(b19, b18));
    a18 = v128.xor(b18, v128.andnot(b15, b19));
    a19 = v128.xor(b19, v128.andnot(b16, b15));
    a20 = v128.xor(b20, v128.andnot(b22, b21));
    a21 = v128.xor(b21, v128.andnot(b23, b22));
    a22 = v128.xor(b22, v128.andnot(b24, b23));
    a23 = v128.xor(b23, v128.andnot(b20, b24));
    a24 = v128.xor(b24, v128.andnot(b21, b20));
    a0 = v128.xor(a0, v128.load64_splat(ROUNDS + 8 * round));
  }
  v128.store(STATES, a0, 0);
  v128.store(STATES, a1, 16);
  v128.store(STATES, a2, 32);
  v128.store(STATES, a3, 48);
}

// @ts-ignore: decorator
@inline
function absorb(i: usize, x: usize, y: usize): void {
  v128.store(STATES + 16 * i, i64x2.replace_lane(v128.load64_splat(x), 1, load<u64>(y)));
}

/** Fills the states' elements from `first` on with the padding of a message that ends there. */
function pad(first: usize): void {
  for (let i = first; i < 25; i++) v128.store(STATES + 16 * i, i64x2.splat(0));
  v128.store(STATES + 16 * first, i64x2.splat(1));
  v128.store(STATES, v128.xor(v128.load(STATES, 16 * 16), i64x2.splat(1 << 63)), 16 * 16);
}

function squeeze(x: usize, y: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const element = v128.load(STATES + 16 * i);
    store<u64>(x + 8 * i, i64x2.extract_lane(element, 0));
    store<u64>(y + 8 * i, i64x2.extract_lane(element, 1));
  }
}

/**
 * Leaves of `count` rows of `rowBytes` bytes each, 32 bytes each.
 * @param head The 96 bytes that a leaf's hash begins with: tag, type and length.
 * @param scratch 4 times the row's chunks, 32 bytes each.
 */
export function leaves(head: usize, bytes: usize, rowBytes: usize, count: i32, scratch: usize, out: usize): void {
  const chunks = max<usize>(1, (rowBytes + CHUNK - 1) / CHUNK);
  const stride = chunks * CHUNK;
  const tail: usize = memory.data(4 * 32);
  for (let row = 0; row < count; row += 4) {
    const last = count - 1;
    const a = bytes + row * rowBytes;
    const b = bytes + min(row + 1, last) * rowBytes;
    const c = bytes + min(row + 2, last) * rowBytes;
    const d = bytes + min(row + 3, last) * rowBytes;
    const whole = rowBytes / CHUNK;
    for (let i: usize = 0; i < whole; i++) {
      const at = i * CHUNK;
      sha256(a + at, b + at, c + at, d + at, scratch + at, stride);
    }
    if (whole < chunks) {
      const at = whole * CHUNK;
      memory.fill(tail, 0, 4 * 32);
      memory.copy(tail, a + at, rowBytes - at);
      memory.copy(tail + 32, b + at, rowBytes - at);
      memory.copy(tail + 64, c + at, rowBytes - at);
      memory.copy(tail + 96, d + at, rowBytes - at);
      sha256(tail, tail + 32, tail + 64, tail + 96, scratch + at, stride);
    }
    rowTrees(head, scratch, scratch + stride, chunks, out + row * 32, row + 1 < count ? out + row * 32 + 32 : NOWHERE);
    if (row + 2 >= count) break;
    const third = scratch + 2 * stride;
    const to = out + row * 32 + 64;
    rowTrees(head, third, third + stride, chunks, to, row + 3 < count ? to + 32 : NOWHERE);
  }
}

/** Climbs the trees over the `width` nodes at x and at y, in place, and hashes both leaves. */
function rowTrees(head: usize, x: usize, y: usize, width: usize, outX: usize, outY: usize): void {
  for (; width > 1; width = (width + 1) / 2) {
    for (let i: usize = 0; i < width; i += 2) {
      const at = i * 32;
      for (let k: usize = 0; k < 8; k++) {
        if (k < 4 || i + 1 < width) absorb(k, x + at + 8 * k, y + at + 8 * k);
        else v128.store(STATES + 16 * k, i64x2.splat(0));
      }
      pad(8);
      permute();
      squeeze(x + at / 2, y + at / 2);
    }
  }
  for (let k: usize = 0; k < 12; k++) absorb(k, head + 8 * k, head + 8 * k);
  for (let k: usize = 0; k < 4; k++) absorb(12 + k, x + 8 * k, y + 8 * k);
  pad(16);
  permute();
  squeeze(outX, outY);
}

/** The parents of `count` nodes of 32 bytes: Keccak-256 of each pair, a missing right one is zero. `out` may be `nodes`. */
export function parents(nodes: usize, count: i32, out: usize): void {
  const zero: usize = memory.data(32);
  for (let i = 0; i < count; i += 4, out += 64) {
    const left = nodes + i * 32;
    for (let k: usize = 0; k < 4; k++) {
      const other = left + 64 + 8 * k;
      absorb(k, left + 8 * k, i + 2 < count ? other : zero);
      absorb(4 + k, i + 1 < count ? left + 32 + 8 * k : zero, i + 3 < count ? other + 32 : zero);
    }
    pad(8);
    permute();
    squeeze(out, i + 2 < count ? out + 32 : NOWHERE);
  }
}
