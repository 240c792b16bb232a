// Poseidon over BN254's scalar field, many rows at a time: the same function as ts/commit/poseidon-hash.ts and
// ts/commit/poseidon.ts, which are the specification. AssemblyScript; ts/commit/kernel-module.ts compiles it.
//
// A field element is 9 limbs of 29 bits, a u32 each in memory (36 bytes), in Montgomery form: x stands for x / 2^261. A
// product of limbs has 58 bits, so a u64 column takes 7 times 9 of them without a carry: dot products are reduced once,
// not once a product. Values are not brought below the order p until the end. A reduction gives at most
// `sum / 2^261 + p`, and p is below 2^261 / 168: full rounds stay below 1.2 p, and the state's other elements, to which
// each of 68 partial rounds adds less than 1.1 p, below 76 p.

/** Bytes of an element. */
const SIZE: usize = 36;
const MASK: u64 = 0x1fffffff;
/** -1 / p modulo 2^29. */
const P_INVERSE: u64 = 0xfffffff;

// Limbs of p.
const P0: u64 = 0x10000001;
const P1: u64 = 0x1f0fac9f;
const P2: u64 = 0xe5c2450;
const P3: u64 = 0x7d090f3;
const P4: u64 = 0x1585d283;
const P5: u64 = 0x2db40c0;
const P6: u64 = 0xa6e141;
const P7: u64 = 0xe5c2634;
const P8: u64 = 0x30644e;

// @ts-ignore: decorator
@inline
function limb(at: usize, i: usize): u64 {
  return load<u32>(at + 4 * i) as u64;
}

/**
 * `out = sum over i < n of a[i] * b[i] / 2^261 + addend`, a and b arrays of n elements, n at most 24. `out` may be any of the
 * operands.
 */
function dot(out: usize, a: usize, b: usize, n: i32, addend: usize): void {
  let c0: u64 = 0;
  let c1: u64 = 0;
  let c2: u64 = 0;
  let c3: u64 = 0;
  let c4: u64 = 0;
  let c5: u64 = 0;
  let c6: u64 = 0;
  let c7: u64 = 0;
  let c8: u64 = 0;
  let c9: u64 = 0;
  let c10: u64 = 0;
  let c11: u64 = 0;
  let c12: u64 = 0;
  let c13: u64 = 0;
  let c14: u64 = 0;
  let c15: u64 = 0;
  let c16: u64 = 0;
  let products = 0;
  for (let i = 0; i < n; i++) {
    if (products == 6) {
      products = 0;
      c1 += c0 >> 29;
      c0 &= MASK;
      c2 += c1 >> 29;
      c1 &= MASK;
      c3 += c2 >> 29;
      c2 &= MASK;
      c4 += c3 >> 29;
      c3 &= MASK;
      c5 += c4 >> 29;
      c4 &= MASK;
      c6 += c5 >> 29;
      c5 &= MASK;
      c7 += c6 >> 29;
      c6 &= MASK;
      c8 += c7 >> 29;
      c7 &= MASK;
      c9 += c8 >> 29;
      c8 &= MASK;
      c10 += c9 >> 29;
      c9 &= MASK;
      c11 += c10 >> 29;
      c10 &= MASK;
      c12 += c11 >> 29;
      c11 &= MASK;
      c13 += c12 >> 29;
      c12 &= MASK;
      c14 += c13 >> 29;
      c13 &= MASK;
      c15 += c14 >> 29;
      c14 &= MASK;
      c16 += c15 >> 29;
      c15 &= MASK;
    }
    products++;
    const a0 = limb(a, 0);
    const a1 = limb(a, 1);
    const a2 = limb(a, 2);
    const a3 = limb(a, 3);
    const a4 = limb(a, 4);
    const a5 = limb(a, 5);
    const a6 = limb(a, 6);
    const a7 = limb(a, 7);
    const a8 = limb(a, 8);
    const b0 = limb(b, 0);
    const b1 = limb(b, 1);
    const b2 = limb(b, 2);
    const b3 = limb(b, 3);
    const b4 = limb(b, 4);
    const b5 = limb(b, 5);
    const b6 = limb(b, 6);
    const b7 = limb(b, 7);
    const b8 = limb(b, 8);
    c0 += a0 * b0;
    c1 += a0 * b1 + a1 * b0;
    c2 += a0 * b2 + a1 * b1 + a2 * b0;
    c3 += a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0;
    c4 += a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0;
    c5 += a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0;
    c6 += a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0;
    c7 += a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0;
    c8 += a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0;
    c9 += a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1;
    c10 += a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2;
    c11 += a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3;
    c12 += a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4;
    c13 += a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5;
    c14 += a6 * b8 + a7 * b7 + a8 * b6;
    c15 += a7 * b8 + a8 * b7;
    c16 += a8 * b8;
    a += SIZE;
    b += SIZE;
  }
  let m: u64;
  m = (c0 * P_INVERSE) & MASK;
  c1 += m * P1;
  c2 += m * P2;
  c3 += m * P3;
  c4 += m * P4;
  c5 += m * P5;
  c6 += m * P6;
  c7 += m * P7;
  c8 += m * P8;
  c1 += (c0 + m * P0) >> 29;
  m = (c1 * P_INVERSE) & MASK;
  c2 += m * P1;
  c3 += m * P2;
  c4 += m * P3;
  c5 += m * P4;
  c6 += m * P5;
  c7 += m * P6;
  c8 += m * P7;
  c9 += m * P8;
  c2 += (c1 + m * P0) >> 29;
  m = (c2 * P_INVERSE) & MASK;
  c3 += m * P1;
  c4 += m * P2;
  c5 += m * P3;
  c6 += m * P4;
  c7 += m * P5;
  c8 += m * P6;
  c9 += m * P7;
  c10 += m * P8;
  c3 += (c2 + m * P0) >> 29;
  m = (c3 * P_INVERSE) & MASK;
  c4 += m * P1;
  c5 += m * P2;
  c6 += m * P3;
  c7 += m * P4;
  c8 += m * P5;
  c9 += m * P6;
  c10 += m * P7;
  c11 += m * P8;
  c4 += (c3 + m * P0) >> 29;
  m = (c4 * P_INVERSE) & MASK;
  c5 += m * P1;
  c6 += m * P2;
  c7 += m * P3;
  c8 += m * P4;
  c9 += m * P5;
  c10 += m * P6;
  c11 += m * P7;
  c12 += m * P8;
  c5 += (c4 + m * P0) >> 29;
  m = (c5 * P_INVERSE) & MASK;
  c6 += m * P1;
  c7 += m * P2;
  c8 += m * P3;
  c9 += m * P4;
  c10 += m * P5;
  c11 += m * P6;
  c12 += m * P7;
  c13 += m * P8;
  c6 += (c5 + m * P0) >> 29;
  m = (c6 * P_INVERSE) & MASK;
  c7 += m * P1;
  c8 += m * P2;
  c9 += m * P3;
  c10 += m * P4;
  c11 += m * P5;
  c12 += m * P6;
  c13 += m * P7;
  c14 += m * P8;
  c7 += (c6 + m * P0) >> 29;
  m = (c7 * P_INVERSE) & MASK;
  c8 += m * P1;
  c9 += m * P2;
  c10 += m * P3;
  c11 += m * P4;
  c12 += m * P5;
  c13 += m * P6;
  c14 += m * P7;
  c15 += m * P8;
  c8 += (c7 + m * P0) >> 29;
  m = (c8 * P_INVERSE) & MASK;
  c9 += m * P1;
  c10 += m * P2;
  c11 += m * P3;
  c12 += m * P4;
  c13 += m * P5;
  c14 += m * P6;
  c15 += m * P7;
  c16 += m * P8;
  c9 += (c8 + m * P0) >> 29;

  c9 += limb(addend, 0);
  c10 += limb(addend, 1);
  c11 += limb(addend, 2);
  c12 += limb(addend, 3);
  c13 += limb(addend, 4);
  c14 += limb(addend, 5);
  c15 += limb(addend, 6);
  c16 += limb(addend, 7);
  let c17: u64 = limb(addend, 8);
  c10 += c9 >> 29;
  store<u32>(out + 0, (c9 & MASK) as u32);
  c11 += c10 >> 29;
  store<u32>(out + 4, (c10 & MASK) as u32);
  c12 += c11 >> 29;
  store<u32>(out + 8, (c11 & MASK) as u32);
  c13 += c12 >> 29;
  store<u32>(out + 12, (c12 & MASK) as u32);
  c14 += c13 >> 29;
  store<u32>(out + 16, (c13 & MASK) as u32);
  c15 += c14 >> 29;
  store<u32>(out + 20, (c14 & MASK) as u32);
  c16 += c15 >> 29;
  store<u32>(out + 24, (c15 & MASK) as u32);
  c17 += c16 >> 29;
  store<u32>(out + 28, (c16 & MASK) as u32);
  store<u32>(out + 32, c17 as u32);
}

/** `out = a + b`, carried. */
function add(out: usize, a: usize, b: usize): void {
  let carry: u64 = 0;
  for (let i = 0; i < 8; i++) {
    carry += limb(a, i) + limb(b, i);
    store<u32>(out + 4 * i, (carry & MASK) as u32);
    carry >>= 29;
  }
  store<u32>(out + 32, (carry + limb(a, 8) + limb(b, 8)) as u32);
}

const ZERO: usize = memory.data(36);
const SQUARE: usize = memory.data(36);
const HEAD: usize = memory.data(36);
/** States: the widest permutation has 17 elements. */
const STATE: usize = memory.data(17 * 36);
const NEXT: usize = memory.data(17 * 36);
/** 31 bytes and what is read beyond them. */
const BYTES: usize = memory.data(48);

const FULL_ROUNDS = 8;
/** Bytes of a limb of the commitment, and children of a node of a row's tree. */
const LIMB = 31;
const ARITY = 16;

/** Memory for the host, 16 bytes aligned, never given back. */
export function allocate(bytes: usize): usize {
  return heap.alloc(bytes);
}

// @ts-ignore: decorator
@inline
function fifth(x: usize): void {
  dot(SQUARE, x, x, 1, ZERO);
  dot(SQUARE, SQUARE, SQUARE, 1, ZERO);
  dot(x, SQUARE, x, 1, ZERO);
}

/** A full round but for its constants, which were added before: S-boxes, then the layer, then `addend`. */
function fullRound(t: i32, matrix: usize, addend: usize, rows: i32): void {
  for (let i = 0; i < t; i++) fifth(STATE + i * SIZE);
  for (let i = 0; i < rows; i++) dot(NEXT + i * SIZE, matrix + i * t * SIZE, STATE, t, addend + i * SIZE);
  memory.copy(STATE, NEXT, rows * SIZE);
}

/**
 * Permutes STATE, to which the first constants are added already; only element 0 of the result is made.
 *
 * A schedule holds t, the number of partial rounds (u32 each, then 8 bytes unused), and elements: the layer (t rows); what is
 * added after each of the first 4 full rounds (t each); for each partial round row (t), column (t) and what is
 * added to element 0 after it (1); the leftover layer (t rows) and what is added after it (t); what is added after each of the
 * last 4 full rounds (t each); what is added before everything (t).
 */
function permute(schedule: usize): void {
  const t = load<u32>(schedule);
  const partialRounds = load<u32>(schedule, 4);
  const vector = t * SIZE;
  const matrix = schedule + 16;
  let at = matrix + t * vector;
  for (let round = 0; round < FULL_ROUNDS / 2; round++, at += vector) fullRound(t, matrix, at, t);
  for (let round: u32 = 0; round < partialRounds; round++) {
    fifth(STATE);
    const column = at + vector;
    dot(HEAD, at, STATE, t, column + vector);
    for (let i = 1; i < (t as i32); i++) {
      const element = STATE + i * SIZE;
      dot(element, column + i * SIZE, STATE, 1, element);
    }
    memory.copy(STATE, HEAD, SIZE);
    at += 2 * vector + SIZE;
  }
  const after = at + t * vector;
  for (let i = 0; i < (t as i32); i++) dot(NEXT + i * SIZE, at + i * vector, STATE, t, after + i * SIZE);
  memory.copy(STATE, NEXT, vector);
  at = after + vector;
  for (let round = 0; round < FULL_ROUNDS / 2 - 1; round++, at += vector) fullRound(t, matrix, at, t);
  fullRound(t, matrix, at, 1);
}

// @ts-ignore: decorator
@inline
function firstConstants(schedule: usize): usize {
  const t = load<u32>(schedule);
  const partialRounds = load<u32>(schedule, 4);
  return schedule + 16 + SIZE * (2 * t * t + 9 * t + partialRounds * (2 * t + 1));
}

/**
 * `P(row)` of `count` rows of `rowBytes` bytes each, in Montgomery form: Poseidon2 of `initial` and the top of the row's
 * tree, whose nodes are Poseidon16 (`schedule`) of 16 limbs or nodes.
 * @param pair The schedule of Poseidon2.
 * @param square `2^522 mod p`, which brings an integer into Montgomery form.
 * @param nodes Room for the lowest nodes of one row.
 */
export function rows(
  schedule: usize,
  pair: usize,
  square: usize,
  initial: usize,
  bytes: usize,
  rowBytes: i32,
  count: i32,
  nodes: usize,
  out: usize,
): void {
  const constants = firstConstants(schedule);
  for (let row = 0; row < count; row++, out += SIZE) {
    let width = 0;
    for (let group = 0; group == 0 || group < rowBytes; group += LIMB * ARITY, width++) {
      memory.copy(STATE, constants, SIZE);
      for (let i = 0; i < ARITY; i++) {
        const element = STATE + (1 + i) * SIZE;
        const constant = constants + (1 + i) * SIZE;
        const at = group + i * LIMB;
        const length = min(LIMB, rowBytes - at);
        if (length <= 0) {
          memory.copy(element, constant, SIZE);
          continue;
        }
        memory.fill(BYTES, 0, 48);
        memory.copy(BYTES, bytes + at, length);
        take29(BYTES, element);
        dot(element, element, square, 1, constant);
      }
      permute(schedule);
      memory.copy(nodes + width * SIZE, STATE, SIZE);
    }
    while (width > 1) {
      let above = 0;
      for (let first = 0; first < width; first += ARITY, above++) {
        memory.copy(STATE, constants, SIZE);
        for (let i = 0; i < ARITY; i++) {
          const child = first + i < width ? nodes + (first + i) * SIZE : ZERO;
          add(STATE + (1 + i) * SIZE, child, constants + (1 + i) * SIZE);
        }
        permute(schedule);
        memory.copy(nodes + above * SIZE, STATE, SIZE);
      }
      width = above;
    }
    const last = firstConstants(pair);
    memory.copy(STATE, last, SIZE);
    add(STATE + SIZE, initial, last + SIZE);
    add(STATE + 2 * SIZE, nodes, last + 2 * SIZE);
    permute(pair);
    memory.copy(out, STATE, SIZE);
    bytes += rowBytes;
  }
}

/** The parents of `count` nodes: Poseidon2 of each pair, a missing right one is 0. `out` may be `nodes`. */
export function parents(schedule: usize, nodes: usize, count: i32, out: usize): void {
  const constants = firstConstants(schedule);
  for (let i = 0; i < count; i += 2, out += SIZE) {
    const left = nodes + i * SIZE;
    memory.copy(STATE, constants, SIZE);
    add(STATE + SIZE, left, constants + SIZE);
    add(STATE + 2 * SIZE, i + 1 < count ? left + SIZE : ZERO, constants + 2 * SIZE);
    permute(schedule);
    memory.copy(out, STATE, SIZE);
  }
}

/** Brings `count` integers below p, 32 bytes little-endian each, into Montgomery form. */
export function elements(integers: usize, square: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++, out += SIZE) {
    memory.fill(BYTES, 0, 48);
    memory.copy(BYTES, integers + i * 32, 32);
    take29(BYTES, out);
    dot(out, out, square, 1, ZERO);
  }
}

/** The 9 limbs of the integer at `bytes`, of which 40 bytes are read. */
function take29(bytes: usize, out: usize): void {
  for (let k = 0; k < 9; k++) {
    const bit = 29 * k;
    store<u32>(out + 4 * k, ((load<u64>(bytes + (bit >> 3)) >> (bit & 7)) & MASK) as u32);
  }
}

/** Brings `count` elements from Montgomery form below p, 32 bytes little-endian each. */
export function integers(elements: usize, count: i32, out: usize): void {
  const one = NEXT;
  memory.fill(one, 0, SIZE);
  store<u32>(one, 1);
  for (let i = 0; i < count; i++, out += 32) {
    // At most p: the sum is below 2^261 p / 168.
    dot(HEAD, elements + i * SIZE, one, 1, ZERO);
    if (isP(HEAD)) memory.fill(HEAD, 0, SIZE);
    memory.fill(out, 0, 32);
    for (let k = 0; k < 9; k++) {
      const bit = 29 * k;
      const to = out + (bit >> 3);
      const value = limb(HEAD, k) << (bit & 7);
      for (let byte = 0; byte < 5 && (bit >> 3) + byte < 32; byte++) {
        store<u8>(to + byte, load<u8>(to + byte) | (((value >> (8 * byte)) & 255) as u8));
      }
    }
  }
}

function isP(x: usize): bool {
  return (
    limb(x, 0) == P0 &&
    limb(x, 1) == P1 &&
    limb(x, 2) == P2 &&
    limb(x, 3) == P3 &&
    limb(x, 4) == P4 &&
    limb(x, 5) == P5 &&
    limb(x, 6) == P6 &&
    limb(x, 7) == P7 &&
    limb(x, 8) == P8
  );
}
