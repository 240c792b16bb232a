#pragma once
#include <cstdint>
#include <cstring>
#if defined(__SHA__)
#include <immintrin.h>
#endif

// Keccak-256 and SHA-256 of the short messages that traces are made of (docs/protocol.md, section 1). Keccak runs on as many messages at
// once as a vector has lanes of 64 bits.

#if defined(__AVX512F__)
constexpr int WAYS = 8;
#elif defined(__AVX2__)
constexpr int WAYS = 4;
#else
constexpr int WAYS = 2;
#endif
typedef uint64_t Lanes __attribute__((vector_size(8 * WAYS)));

static const uint64_t KECCAK_ROUND[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

static inline Lanes rotate(Lanes x, int n) { return n == 0 ? x : (x << n) | (x >> (64 - n)); }

// Keccak-f[1600] on WAYS states at once.
static inline void permute(Lanes a[25]) {
  static const int ROTATION[25] = {0,  1,  62, 28, 27, 36, 44, 6,  55, 20, 3,  10, 43,
                                   25, 39, 41, 45, 15, 21, 8,  18, 2,  61, 56, 14};
  for (int round = 0; round < 24; round++) {
    Lanes c[5], b[25];
#pragma GCC unroll 5
    for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
    for (int x = 0; x < 5; x++) {
      const Lanes d = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);
#pragma GCC unroll 5
      for (int y = 0; y < 5; y++) b[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(a[x + 5 * y] ^ d, ROTATION[x + 5 * y]);
    }
#pragma GCC unroll 5
    for (int y = 0; y < 25; y += 5)
#pragma GCC unroll 5
      for (int x = 0; x < 5; x++) a[y + x] = b[y + x] ^ (~b[y + (x + 1) % 5] & b[y + (x + 2) % 5]);
    a[0] ^= KECCAK_ROUND[round];
  }
}

// Keccak-256 of `count` messages of `words` 32-byte words, at most 4: one block each. Results may overwrite messages.
static inline void keccak_many(const uint8_t* const* from, int words, uint8_t* const* to, int count) {
  for (int first = 0; first < count; first += WAYS) {
    const int used = count - first < WAYS ? count - first : WAYS;
    uint64_t block[25][WAYS] = {};
    for (int w = 0; w < used; w++)
      for (int i = 0; i < 4 * words; i++) memcpy(&block[i][w], from[first + w] + 8 * i, 8);
    for (int w = 0; w < used; w++) {
      block[4 * words][w] ^= 1;
      block[16][w] ^= uint64_t(1) << 63;
    }
    Lanes state[25];
    memcpy(state, block, sizeof state);
    permute(state);
    memcpy(block, state, 4 * sizeof(Lanes));
    for (int w = 0; w < used; w++)
      for (int i = 0; i < 4; i++) memcpy(to[first + w] + 8 * i, &block[i][w], 8);
  }
}

static const uint32_t SHA_K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t SHA_START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// SHA-256 of the 32 bytes at `from`.
static inline void sha256_of_32(const uint8_t* from, uint8_t* to) {
  uint32_t w[16] = {};
  for (int i = 0; i < 8; i++) {
    memcpy(&w[i], from + 4 * i, 4);
    w[i] = __builtin_bswap32(w[i]);
  }
  w[8] = 0x80000000;
  w[15] = 256;
  uint32_t out[8];
#if defined(__SHA__)
  // The instructions keep the state as (a, b, e, f) and (c, d, g, h), highest word first.
  const auto pack = [](uint32_t x3, uint32_t x2, uint32_t x1, uint32_t x0) {
    return _mm_set_epi32(int(x3), int(x2), int(x1), int(x0));
  };
  const uint32_t* s = SHA_START;
  const __m128i abef0 = pack(s[0], s[1], s[4], s[5]);
  const __m128i cdgh0 = pack(s[2], s[3], s[6], s[7]);
  __m128i abef = abef0, cdgh = cdgh0;
  __m128i m[4];
  for (int i = 0; i < 4; i++) m[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 4 * i));
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    const __m128i k = _mm_loadu_si128(reinterpret_cast<const __m128i*>(SHA_K + 4 * i));
    __m128i wk = _mm_add_epi32(m[i % 4], k);
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
    wk = _mm_shuffle_epi32(wk, 0x0e);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, wk);
    if (i < 12) {
      // The next four words of the schedule, in place of the oldest.
      const __m128i x = _mm_add_epi32(_mm_sha256msg1_epu32(m[i % 4], m[(i + 1) % 4]),
                                      _mm_alignr_epi8(m[(i + 3) % 4], m[(i + 2) % 4], 4));
      m[i % 4] = _mm_sha256msg2_epu32(x, m[(i + 3) % 4]);
    }
  }
  abef = _mm_add_epi32(abef, abef0);
  cdgh = _mm_add_epi32(cdgh, cdgh0);
  out[0] = uint32_t(_mm_extract_epi32(abef, 3));
  out[1] = uint32_t(_mm_extract_epi32(abef, 2));
  out[4] = uint32_t(_mm_extract_epi32(abef, 1));
  out[5] = uint32_t(_mm_extract_epi32(abef, 0));
  out[2] = uint32_t(_mm_extract_epi32(cdgh, 3));
  out[3] = uint32_t(_mm_extract_epi32(cdgh, 2));
  out[6] = uint32_t(_mm_extract_epi32(cdgh, 1));
  out[7] = uint32_t(_mm_extract_epi32(cdgh, 0));
#else
  const auto turn = [](uint32_t x, int n) { return (x >> n) | (x << (32 - n)); };
  uint32_t v[8];
  memcpy(v, SHA_START, sizeof v);
  for (int i = 0; i < 64; i++) {
    if (i >= 16) {
      const uint32_t x = w[(i + 1) % 16], y = w[(i + 14) % 16];
      w[i % 16] += (turn(x, 7) ^ turn(x, 18) ^ (x >> 3)) + w[(i + 9) % 16] + (turn(y, 17) ^ turn(y, 19) ^ (y >> 10));
    }
    const uint32_t t1 =
        v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + SHA_K[i] + w[i % 16];
    const uint32_t t2 = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 28);
    v[4] += t1;
    v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) out[i] = SHA_START[i] + v[i];
#endif
  for (int i = 0; i < 8; i++) {
    const uint32_t x = __builtin_bswap32(out[i]);
    memcpy(to + 4 * i, &x, 4);
  }
}

// A word of a small number, big-endian.
static inline void put_word(uint8_t* at, uint32_t value) {
  memset(at, 0, 28);
  const uint32_t x = __builtin_bswap32(value);
  memcpy(at + 28, &x, 4);
}
