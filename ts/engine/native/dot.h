#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX512VNNI__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// Dot products of i16 activations with i8 weight rows, ROWS weight rows with LANES activation rows at once. No instruction here saturates.
//
// Sums are i32 over runs too short to overflow, i64 between runs: a pair of products is at most 2^23, each part of a `Sum` holds RUN_STEPS of
// them, and `totals` adds up four parts before it widens them, at most 252 * 2^23 in all.

constexpr int RUN_STEPS = 63;

#if defined(__AVX512VNNI__)

constexpr int64_t STEP = 32;
using Sum = __m512i;
static inline Sum zero() { return _mm512_setzero_si512(); }
static inline Sum load_activations(const int16_t* a) { return _mm512_loadu_si512(a); }
static inline Sum load_weights(const int8_t* w) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
}
// In assembly: GCC moves every accumulator to another register and back around the intrinsic.
static inline Sum add_dot(Sum sum, Sum a, Sum w) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
  return sum;
}
static inline int64_t total(Sum x) {
  return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)),
                                                  _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1))));
}
static inline void totals(const Sum x[4], int64_t to[4]) {
  const __m512i y0 = _mm512_add_epi32(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
  const __m512i y1 = _mm512_add_epi32(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
  // Each 128 bits: a part of each of the four sums.
  const __m512i parts = _mm512_add_epi32(_mm512_unpacklo_epi64(y0, y1), _mm512_unpackhi_epi64(y0, y1));
  const __m512i wide = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(parts)),
                                        _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(parts, 1)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_add_epi64(_mm512_castsi512_si256(wide), _mm512_extracti64x4_epi64(wide, 1)));
}

#elif defined(__AVX2__)

constexpr int64_t STEP = 16;
using Sum = __m256i;
static inline Sum zero() { return _mm256_setzero_si256(); }
static inline Sum load_activations(const int16_t* a) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
}
static inline Sum load_weights(const int8_t* w) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
}
static inline Sum add_dot(Sum sum, Sum a, Sum w) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, w)); }
static inline int64_t total(Sum x) {
  alignas(32) int32_t parts[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(parts), x);
  int64_t sum = 0;
  for (int i = 0; i < 8; i++) sum += parts[i];
  return sum;
}
static inline void totals(const Sum x[4], int64_t to[4]) {
  const __m256i parts = _mm256_hadd_epi32(_mm256_hadd_epi32(x[0], x[1]), _mm256_hadd_epi32(x[2], x[3]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(parts)),
                                       _mm256_cvtepi32_epi64(_mm256_extracti128_si256(parts, 1))));
}

#elif defined(__ARM_NEON)

constexpr int64_t STEP = 8;
struct Sum {
  int32x4_t low, high;
};
static inline Sum zero() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
static inline int16x8_t load_activations(const int16_t* a) { return vld1q_s16(a); }
static inline int16x8_t load_weights(const int8_t* w) { return vmovl_s8(vld1_s8(w)); }
static inline Sum add_dot(Sum sum, int16x8_t a, int16x8_t w) {
  return {vmlal_s16(sum.low, vget_low_s16(a), vget_low_s16(w)), vmlal_s16(sum.high, vget_high_s16(a), vget_high_s16(w))};
}
static inline int64_t total(Sum x) { return vaddlvq_s32(x.low) + vaddlvq_s32(x.high); }
static inline void totals(const Sum x[4], int64_t to[4]) {
  for (int i = 0; i < 4; i++) to[i] = total(x[i]);
}

#else

constexpr int64_t STEP = 2;
using Sum = int64_t;
static inline Sum zero() { return 0; }
static inline const int16_t* load_activations(const int16_t* a) { return a; }
static inline const int8_t* load_weights(const int8_t* w) { return w; }
template <typename W>
static inline Sum add_dot(Sum sum, const int16_t* a, const W* w) {
  return sum + int32_t(a[0]) * w[0] + int32_t(a[1]) * w[1];
}
static inline int64_t total(Sum x) { return x; }
static inline void totals(const Sum x[4], int64_t to[4]) {
  for (int i = 0; i < 4; i++) to[i] = x[i];
}

#endif

// sums[l][r] = activations[l] . weight row r, for rows of `size` elements, one after the other from `w`. ROWS is 1 or 4.
template <int ROWS, int LANES>
static inline void dot_tile(const int8_t* w, int64_t size, const int16_t* const* activations, int64_t sums[LANES][ROWS]) {
  for (int l = 0; l < LANES; l++)
    for (int r = 0; r < ROWS; r++) sums[l][r] = 0;
  const int64_t whole = size - size % STEP;
  int64_t k = 0;
  while (k < whole) {
    const int64_t end = k + RUN_STEPS * STEP < whole ? k + RUN_STEPS * STEP : whole;
    Sum run[LANES][ROWS];
    for (int l = 0; l < LANES; l++)
      for (int r = 0; r < ROWS; r++) run[l][r] = zero();
    for (; k < end; k += STEP) {
      decltype(load_activations(nullptr)) a[LANES];
      for (int l = 0; l < LANES; l++) a[l] = load_activations(activations[l] + k);
      for (int r = 0; r < ROWS; r++) {
        const auto row = load_weights(w + r * size + k);
        for (int l = 0; l < LANES; l++) run[l][r] = add_dot(run[l][r], a[l], row);
      }
    }
    for (int l = 0; l < LANES; l++) {
      int64_t add[ROWS];
      if constexpr (ROWS == 4) totals(run[l], add);
      else add[0] = total(run[l][0]);
      for (int r = 0; r < ROWS; r++) sums[l][r] += add[r];
    }
  }
  for (; k < size; k++)
    for (int l = 0; l < LANES; l++)
      for (int r = 0; r < ROWS; r++) sums[l][r] += int32_t(activations[l][k]) * w[r * size + k];
}
