#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX512VNNI__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// Dot products of i16 activations with i8 weight rows, ROWS weight rows with LANES activation rows at once. Sums are i32 over runs too short
// to overflow, i64 between runs. No instruction here saturates: a pair of products is at most 2^23, and a lane of a run holds at most 128.

constexpr int RUN_PAIRS = 128;

#if defined(__AVX512VNNI__)

constexpr int64_t STEP = 32;
using Sum = __m512i;
static inline Sum zero() { return _mm512_setzero_si512(); }
static inline Sum load_activations(const int16_t* a) { return _mm512_loadu_si512(a); }
static inline Sum load_weights(const int8_t* w) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
}
static inline Sum add_dot(Sum sum, Sum a, Sum w) { return _mm512_dpwssd_epi32(sum, a, w); }
static inline int64_t total(Sum x) {
  return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)),
                                                  _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1))));
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

#endif

// sums[r][l] = activations[l] . weight row r, for rows of `size` elements, one after the other from `w`.
template <int ROWS, int LANES>
static inline void dot_tile(const int8_t* w, int64_t size, const int16_t* const* activations, int64_t sums[ROWS][LANES]) {
  for (int r = 0; r < ROWS; r++)
    for (int l = 0; l < LANES; l++) sums[r][l] = 0;
  const int64_t whole = size - size % STEP;
  int64_t k = 0;
  while (k < whole) {
    const int64_t end = k + RUN_PAIRS * STEP < whole ? k + RUN_PAIRS * STEP : whole;
    Sum run[ROWS][LANES];
    for (int r = 0; r < ROWS; r++)
      for (int l = 0; l < LANES; l++) run[r][l] = zero();
    for (; k < end; k += STEP) {
      decltype(load_activations(nullptr)) a[LANES];
      for (int l = 0; l < LANES; l++) a[l] = load_activations(activations[l] + k);
      for (int r = 0; r < ROWS; r++) {
        const auto row = load_weights(w + r * size + k);
        for (int l = 0; l < LANES; l++) run[r][l] = add_dot(run[r][l], a[l], row);
      }
    }
    for (int r = 0; r < ROWS; r++)
      for (int l = 0; l < LANES; l++) sums[r][l] += total(run[r][l]);
  }
  for (; k < size; k++)
    for (int r = 0; r < ROWS; r++)
      for (int l = 0; l < LANES; l++) sums[r][l] += int32_t(activations[l][k]) * w[r * size + k];
}
