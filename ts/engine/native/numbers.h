#pragma once
#include <cstdint>

// The arithmetic of docs/machine.md, section 1: in 64 bits where a comment says why they suffice, else in 128.

using i128 = __int128;

// x clamped to [-(2^bits - 1), 2^bits - 1].
static inline int64_t sat(int64_t x, int bits) {
  const int64_t bound = (int64_t(1) << bits) - 1;
  const int64_t below = x > bound ? bound : x;
  return below < -bound ? -bound : below;
}

// Rounding shift, halves upwards, for |x| <= 2^62 and 0 <= s <= 62: the sum stays below 2^63.
static inline int64_t rshr(int64_t x, int64_t s) {
  // Half of 2^s without a branch: 0 for s = 0.
  return (x + ((int64_t(1) << s) >> 1)) >> s;
}

// sat(rshr(x * y, s), bits) for any x, y; bits <= 62.
static inline int64_t mul_rshr_sat(int64_t x, int64_t y, int s, int bits) {
  const i128 sum = i128(x) * y + (s == 0 ? 0 : i128(1) << (s - 1));
  const i128 shifted = sum >> s;
  const i128 bound = (i128(1) << bits) - 1;
  return int64_t(shifted > bound ? bound : shifted < -bound ? -bound : shifted);
}

// floor(sqrt(x * 2^(2u))) for any x and u <= 16: the root of at most 96 bits.
static inline uint64_t isqrt_shifted(uint64_t x, int u) {
  const unsigned __int128 radicand = (unsigned __int128)(x) << (2 * u);
  uint64_t root = 0;
  for (int bit = 47; bit >= 0; bit--) {
    const uint64_t next = root | (uint64_t(1) << bit);
    if ((unsigned __int128)(next)*next <= radicand) root = next;
  }
  return root;
}

// floor(n / d) for d >= 1.
template <typename T>
static inline T floor_div(T n, T d) {
  const T q = n / d;
  return q - (n < 0 && q * d != n ? 1 : 0);
}

// The same for many |n| <= 2^63 and one d in 1 .. 2^63 - 1, by products: a division takes several times as long.
class Divisor {
 public:
  explicit Divisor(int64_t d) : d_(uint64_t(d)), inverse_(UINT64_MAX / uint64_t(d)) {}

  int64_t floor(int64_t n) const {
    // -ceil(|n| / d) for n < 0.
    const uint64_t magnitude = n < 0 ? 0 - uint64_t(n) + d_ - 1 : uint64_t(n);
    // Too small by two at most, because the inverse is too small by less than one: magnitude < 2^64.
    uint64_t q = uint64_t(((unsigned __int128)(magnitude)*inverse_) >> 64);
    uint64_t rest = magnitude - q * d_;
    for (; rest >= d_; rest -= d_) q++;
    return n < 0 ? -int64_t(q) : int64_t(q);
  }

 private:
  const uint64_t d_, inverse_;
};
