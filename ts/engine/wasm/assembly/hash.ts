/* Keccak-256 and SHA-256 of the short messages that traces are made of (docs/protocol.md, section 1). */

// @ts-expect-error: decorator
@lazy
const ROUND: StaticArray<u64> = [
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
  0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
  0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
  0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
];

/** Keccak-f[1600] on the 25 lanes at `s`. */
function permute(s: usize): void {
  const at = changetype<usize>(ROUND);
  let a00 = load<u64>(s);
  let a01 = load<u64>(s, 8);
  let a02 = load<u64>(s, 16);
  let a03 = load<u64>(s, 24);
  let a04 = load<u64>(s, 32);
  let a05 = load<u64>(s, 40);
  let a06 = load<u64>(s, 48);
  let a07 = load<u64>(s, 56);
  let a08 = load<u64>(s, 64);
  let a09 = load<u64>(s, 72);
  let a10 = load<u64>(s, 80);
  let a11 = load<u64>(s, 88);
  let a12 = load<u64>(s, 96);
  let a13 = load<u64>(s, 104);
  let a14 = load<u64>(s, 112);
  let a15 = load<u64>(s, 120);
  let a16 = load<u64>(s, 128);
  let a17 = load<u64>(s, 136);
  let a18 = load<u64>(s, 144);
  let a19 = load<u64>(s, 152);
  let a20 = load<u64>(s, 160);
  let a21 = load<u64>(s, 168);
  let a22 = load<u64>(s, 176);
  let a23 = load<u64>(s, 184);
  let a24 = load<u64>(s, 192);
  for (let round: usize = 0; round < 24; round++) {
    // Theta.
    const c0 = a00 ^ a05 ^ a10 ^ a15 ^ a20;
    const c1 = a01 ^ a06 ^ a11 ^ a16 ^ a21;
    const c2 = a02 ^ a07 ^ a12 ^ a17 ^ a22;
    const c3 = a03 ^ a08 ^ a13 ^ a18 ^ a23;
    const c4 = a04 ^ a09 ^ a14 ^ a19 ^ a24;
    const d0 = c4 ^ rotl<u64>(c1, 1);
    const d1 = c0 ^ rotl<u64>(c2, 1);
    const d2 = c1 ^ rotl<u64>(c3, 1);
    const d3 = c2 ^ rotl<u64>(c4, 1);
    const d4 = c3 ^ rotl<u64>(c0, 1);
    // Rho and pi: b[y, 2x + 3y] = rot(a[x, y]).
    const b00 = a00 ^ d0;
    const b10 = rotl<u64>(a01 ^ d1, 1);
    const b20 = rotl<u64>(a02 ^ d2, 62);
    const b05 = rotl<u64>(a03 ^ d3, 28);
    const b15 = rotl<u64>(a04 ^ d4, 27);
    const b16 = rotl<u64>(a05 ^ d0, 36);
    const b01 = rotl<u64>(a06 ^ d1, 44);
    const b11 = rotl<u64>(a07 ^ d2, 6);
    const b21 = rotl<u64>(a08 ^ d3, 55);
    const b06 = rotl<u64>(a09 ^ d4, 20);
    const b07 = rotl<u64>(a10 ^ d0, 3);
    const b17 = rotl<u64>(a11 ^ d1, 10);
    const b02 = rotl<u64>(a12 ^ d2, 43);
    const b12 = rotl<u64>(a13 ^ d3, 25);
    const b22 = rotl<u64>(a14 ^ d4, 39);
    const b23 = rotl<u64>(a15 ^ d0, 41);
    const b08 = rotl<u64>(a16 ^ d1, 45);
    const b18 = rotl<u64>(a17 ^ d2, 15);
    const b03 = rotl<u64>(a18 ^ d3, 21);
    const b13 = rotl<u64>(a19 ^ d4, 8);
    const b14 = rotl<u64>(a20 ^ d0, 18);
    const b24 = rotl<u64>(a21 ^ d1, 2);
    const b09 = rotl<u64>(a22 ^ d2, 61);
    const b19 = rotl<u64>(a23 ^ d3, 56);
    const b04 = rotl<u64>(a24 ^ d4, 14);
    // Chi and iota.
    a00 = b00 ^ (~b01 & b02) ^ load<u64>(at + (round << 3));
    a01 = b01 ^ (~b02 & b03);
    a02 = b02 ^ (~b03 & b04);
    a03 = b03 ^ (~b04 & b00);
    a04 = b04 ^ (~b00 & b01);
    a05 = b05 ^ (~b06 & b07);
    a06 = b06 ^ (~b07 & b08);
    a07 = b07 ^ (~b08 & b09);
    a08 = b08 ^ (~b09 & b05);
    a09 = b09 ^ (~b05 & b06);
    a10 = b10 ^ (~b11 & b12);
    a11 = b11 ^ (~b12 & b13);
    a12 = b12 ^ (~b13 & b14);
    a13 = b13 ^ (~b14 & b10);
    a14 = b14 ^ (~b10 & b11);
    a15 = b15 ^ (~b16 & b17);
    a16 = b16 ^ (~b17 & b18);
    a17 = b17 ^ (~b18 & b19);
    a18 = b18 ^ (~b19 & b15);
    a19 = b19 ^ (~b15 & b16);
    a20 = b20 ^ (~b21 & b22);
    a21 = b21 ^ (~b22 & b23);
    a22 = b22 ^ (~b23 & b24);
    a23 = b23 ^ (~b24 & b20);
    a24 = b24 ^ (~b20 & b21);
  }
  store<u64>(s, a00);
  store<u64>(s, a01, 8);
  store<u64>(s, a02, 16);
  store<u64>(s, a03, 24);
  store<u64>(s, a04, 32);
  store<u64>(s, a05, 40);
  store<u64>(s, a06, 48);
  store<u64>(s, a07, 56);
  store<u64>(s, a08, 64);
  store<u64>(s, a09, 72);
  store<u64>(s, a10, 80);
  store<u64>(s, a11, 88);
  store<u64>(s, a12, 96);
  store<u64>(s, a13, 104);
  store<u64>(s, a14, 112);
  store<u64>(s, a15, 120);
  store<u64>(s, a16, 128);
  store<u64>(s, a17, 136);
  store<u64>(s, a18, 144);
  store<u64>(s, a19, 152);
  store<u64>(s, a20, 160);
  store<u64>(s, a21, 168);
  store<u64>(s, a22, 176);
  store<u64>(s, a23, 184);
  store<u64>(s, a24, 192);
}

/** Bytes of the state that `keccak` works in. */
export const KECCAK_STATE: usize = 200;

/** Keccak-256 of `words` 32-byte words, at most 4: one block. May be in place. */
export function keccak(state: usize, from: usize, words: usize, to: usize): void {
  // No memory.copy or memory.fill: for so few bytes, to call them takes longest.
  const bytes = words << 5;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(state + i, v128.load(from + i));
  for (let i = bytes; i < KECCAK_STATE - 8; i += 16) v128.store(state + i, i64x2.splat(0));
  store<u64>(state, 0, KECCAK_STATE - 8);
  store<u8>(state + bytes, 1);
  store<u8>(state + 135, load<u8>(state + 135) | 0x80);
  permute(state);
  v128.store(to, v128.load(state));
  v128.store(to, v128.load(state, 16), 16);
}

// @ts-expect-error: decorator
@lazy
const K: StaticArray<u32> = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/** Bytes of the words that a SHA-256 works in, of four at once. */
export const SHA_WORDS: usize = 1024;

/** SHA-256 of the 32 bytes at `from`. `w`: 256 bytes of scratch. */
export function sha256of32(w: usize, from: usize, to: usize): void {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(w + i, bswap<u32>(load<u32>(from + i)));
  store<u32>(w + 32, 0x80000000);
  memory.fill(w + 36, 0, 24);
  store<u32>(w + 60, 256);
  for (let i: usize = 64; i < 256; i += 4) {
    const x = load<u32>(w + i - 60);
    const y = load<u32>(w + i - 8);
    const s0 = rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
    const s1 = rotr<u32>(y, 17) ^ rotr<u32>(y, 19) ^ (y >> 10);
    store<u32>(w + i, load<u32>(w + i - 64) + s0 + load<u32>(w + i - 28) + s1);
  }
  let a: u32 = 0x6a09e667;
  let b: u32 = 0xbb67ae85;
  let c: u32 = 0x3c6ef372;
  let d: u32 = 0xa54ff53a;
  let e: u32 = 0x510e527f;
  let f: u32 = 0x9b05688c;
  let g: u32 = 0x1f83d9ab;
  let h: u32 = 0x5be0cd19;
  const k = changetype<usize>(K);
  for (let i: usize = 0; i < 256; i += 4) {
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + load<u32>(k + i) + load<u32>(w + i);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  store<u32>(to, bswap<u32>(a + 0x6a09e667));
  store<u32>(to + 4, bswap<u32>(b + 0xbb67ae85));
  store<u32>(to + 8, bswap<u32>(c + 0x3c6ef372));
  store<u32>(to + 12, bswap<u32>(d + 0xa54ff53a));
  store<u32>(to + 16, bswap<u32>(e + 0x510e527f));
  store<u32>(to + 20, bswap<u32>(f + 0x9b05688c));
  store<u32>(to + 24, bswap<u32>(g + 0x1f83d9ab));
  store<u32>(to + 28, bswap<u32>(h + 0x5be0cd19));
}

// @ts-expect-error: decorator
@inline
function turned(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits));
}

/** Big-endian words as little-endian ones, and back. */
// @ts-expect-error: decorator
@inline
function swapped(x: v128): v128 {
  return v128.shuffle<i8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

// @ts-expect-error: decorator
@inline
function putSwapped(to: usize, x: v128): void {
  const y = swapped(x);
  v128.store32_lane(to, y, 0);
  v128.store32_lane(to, y, 1, 32);
  v128.store32_lane(to, y, 2, 64);
  v128.store32_lane(to, y, 3, 96);
}

/** `sha256of32` of four times 32 bytes, one after the other, side by side. `w`: `SHA_WORDS` bytes of scratch. */
export function sha256of32x4(w: usize, from: usize, to: usize): void {
  for (let i: usize = 0; i < 8; i++) {
    let x = v128.load32_zero(from + (i << 2));
    x = v128.load32_lane(from + (i << 2), x, 1, 32);
    x = v128.load32_lane(from + (i << 2), x, 2, 64);
    x = v128.load32_lane(from + (i << 2), x, 3, 96);
    v128.store(w + (i << 4), swapped(x));
  }
  v128.store(w + 128, i32x4.splat(0x80000000));
  for (let i: usize = 144; i < 240; i += 16) v128.store(w + i, i64x2.splat(0));
  v128.store(w + 240, i32x4.splat(256));
  for (let at = w; at < w + 768; at += 16) {
    const x = v128.load(at, 16);
    const y = v128.load(at, 224);
    const s0 = v128.xor(v128.xor(turned(x, 7), turned(x, 18)), i32x4.shr_u(x, 3));
    const s1 = v128.xor(v128.xor(turned(y, 17), turned(y, 19)), i32x4.shr_u(y, 10));
    v128.store(at, i32x4.add(i32x4.add(v128.load(at), s0), i32x4.add(v128.load(at, 144), s1)), 256);
  }
  let a = i32x4.splat(0x6a09e667);
  let b = i32x4.splat(0xbb67ae85);
  let c = i32x4.splat(0x3c6ef372);
  let d = i32x4.splat(0xa54ff53a);
  let e = i32x4.splat(0x510e527f);
  let f = i32x4.splat(0x9b05688c);
  let g = i32x4.splat(0x1f83d9ab);
  let h = i32x4.splat(0x5be0cd19);
  const k = changetype<usize>(K);
  for (let i: usize = 0; i < 256; i += 4) {
    const s1 = v128.xor(v128.xor(turned(e, 6), turned(e, 11)), turned(e, 25));
    const round = i32x4.add(v128.load32_splat(k + i), v128.load(w + (i << 2)));
    const t1 = i32x4.add(i32x4.add(h, round), i32x4.add(s1, v128.xor(g, v128.and(e, v128.xor(f, g)))));
    const s0 = v128.xor(v128.xor(turned(a, 2), turned(a, 13)), turned(a, 22));
    const t2 = i32x4.add(s0, v128.xor(v128.and(a, v128.xor(b, c)), v128.and(b, c)));
    h = g;
    g = f;
    f = e;
    e = i32x4.add(d, t1);
    d = c;
    c = b;
    b = a;
    a = i32x4.add(t1, t2);
  }
  putSwapped(to, i32x4.add(a, i32x4.splat(0x6a09e667)));
  putSwapped(to + 4, i32x4.add(b, i32x4.splat(0xbb67ae85)));
  putSwapped(to + 8, i32x4.add(c, i32x4.splat(0x3c6ef372)));
  putSwapped(to + 12, i32x4.add(d, i32x4.splat(0xa54ff53a)));
  putSwapped(to + 16, i32x4.add(e, i32x4.splat(0x510e527f)));
  putSwapped(to + 20, i32x4.add(f, i32x4.splat(0x9b05688c)));
  putSwapped(to + 24, i32x4.add(g, i32x4.splat(0x1f83d9ab)));
  putSwapped(to + 28, i32x4.add(h, i32x4.splat(0x5be0cd19)));
}

/** The highest node of the binary tree over `count` leaves of 32 bytes at `nodes`, which it overwrites from the front. */
export function treeTop(state: usize, nodes: usize, count: usize): void {
  for (let width = count; width > 1; width = (width + 1) >> 1) {
    if ((width & 1) != 0) memory.fill(nodes + (width << 5), 0, 32);
    for (let i: usize = 0; i < width; i += 2) keccak(state, nodes + (i << 5), 2, nodes + (i << 4));
  }
}

/** A word of a small number, big-endian. */
export function putWord(at: usize, value: u32): void {
  memory.fill(at, 0, 28);
  store<u32>(at + 28, bswap<u32>(value));
}
