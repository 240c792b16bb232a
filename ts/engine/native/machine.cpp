// The canonical machine (docs/machine.md) over a plan: the same records as the wasm machine's, with addresses of this process.
#include "machine.h"

#include <algorithm>
#include <vector>

#include "dot.h"
#include "hash.h"
#include "layout.h"
#include "numbers.h"
#include "opcodes.h"
#include "tile.h"

namespace {

enum { I8, I16, I32, I64 };

template <typename T>
T field(const uint8_t* record, int offset) {
  T value;
  memcpy(&value, record + offset, sizeof value);
  return value;
}
int32_t word(const uint8_t* record, int offset) { return field<int32_t>(record, offset); }
template <typename T>
T* address(const uint8_t* record, int offset) {
  return reinterpret_cast<T*>(field<int64_t>(record, offset));
}

// One instruction for one lane.
struct Step {
  const uint8_t* op;
  const uint8_t* lane;
  uint8_t* out;

  int t() const { return word(lane, LANE_T); }
  uint8_t* arena() const { return address<uint8_t>(lane, LANE_ARENA); }
  int p(int i) const { return word(op, OP_P + 4 * i); }
  int out_type() const { return word(op, OP_OUT_TYPE); }
  int out_length() const { return word(op, OP_OUT_LENGTH) * (word(op, OP_OUT_MODE) == 1 ? t() + 1 : 1); }
  int kind(int arg) const { return word(op, arg + ARG_KIND); }
  int type(int arg) const { return word(op, arg + ARG_TYPE); }
  // Elements of an operand's row, or of each weight row.
  int length(int arg) const { return word(op, arg + ARG_LENGTH) * (word(op, arg + ARG_MODE) == 1 ? t() + 1 : 1); }
  uint32_t count(int arg) const { return uint32_t(word(op, arg + ARG_COUNT)); }
  // An operand's row: of this step, or weights.
  template <typename T>
  const T* row(int arg) const {
    const int64_t at = field<int64_t>(op, arg + ARG_AT);
    return reinterpret_cast<const T*>(kind(arg) == 1 ? int64_t(arena()) + at : at);
  }
  // The cached rows of an operand, position after position.
  const int16_t* cached(int arg) const {
    return reinterpret_cast<const int16_t*>(address<uint8_t>(lane, LANE_CACHE) +
                                            field<int64_t>(op, arg + ARG_AT) * word(lane, LANE_CAPACITY));
  }
  template <typename T>
  T* result() const {
    return reinterpret_cast<T*>(out);
  }
};

// Calls `store(out, value)` loops for the type of the result.
template <typename F>
void for_type(const Step& s, F f) {
  switch (s.out_type()) {
    case I8: f(s.result<int8_t>(), 7); break;
    case I16: f(s.result<int16_t>(), 15); break;
    case I32: f(s.result<int32_t>(), 31); break;
    default: f(s.result<int64_t>(), 63);
  }
}

// Squares are at most 2^62 and the sum only grows: it saturates as soon as it leaves 63 bits.
void fold_sumsq(const Step& s) {
  const int count = s.out_length(), size = s.length(OP_A) / count;
  const int32_t* a = s.row<int32_t>(OP_A);
  for (int e = 0; e < count; e++) {
    // Without saturation where no 2^24 squares of 2^39 can reach 2^63.
    uint32_t bits = 0;
    for (int i = e * size; i < (e + 1) * size; i++) bits |= uint32_t(a[i] ^ (a[i] >> 31));
    uint64_t sum = 0;
    if (bits < (1u << 19)) {
      for (int i = e * size; i < (e + 1) * size; i++) sum += uint64_t(int64_t(a[i]) * a[i]);
    } else {
      for (int i = e * size; i < (e + 1) * size; i++) {
        sum += uint64_t(int64_t(a[i]) * a[i]);
        if (sum >> 63) sum = INT64_MAX;
      }
    }
    s.result<int64_t>()[e] = int64_t(sum);
  }
}

void fold_amax(const Step& s) {
  const int count = s.out_length(), size = s.length(OP_A) / count;
  const int32_t* a = s.row<int32_t>(OP_A);
  for (int e = 0; e < count; e++) {
    uint32_t top = 0;
    for (int i = e * size; i < (e + 1) * size; i++) top = std::max(top, a[i] < 0 ? 0 - uint32_t(a[i]) : uint32_t(a[i]));
    s.result<int32_t>()[e] = int32_t(std::min(top, uint32_t(INT32_MAX)));
  }
}

void fold_max(const Step& s, int first, int last) {
  const int size = s.length(OP_A) / s.out_length();
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t* start = s.kind(OP_B) == 0 ? nullptr : s.row<int32_t>(OP_B);
  for (int e = first; e < last; e++) {
    int32_t top = start == nullptr ? INT32_MIN : start[e];
    for (int i = e * size; i < (e + 1) * size; i++) top = std::max(top, a[i]);
    s.result<int32_t>()[e] = std::max(top, -INT32_MAX);
  }
}

template <typename T>
int64_t sum_of(const T* a, int count) {
  int64_t sum = 0;
  for (int i = 0; i < count; i++) sum += a[i];
  return sum;
}

// A group's own sum is at most 2^24 * 2^31; only the initial value can make it leave 64 bits.
void fold_sum(const Step& s, int first, int last) {
  const int size = s.length(OP_A) / s.out_length();
  const int64_t* start = s.kind(OP_B) == 0 ? nullptr : s.row<int64_t>(OP_B);
  for (int e = first; e < last; e++) {
    const int64_t sum = s.type(OP_A) == I16 ? sum_of(s.row<int16_t>(OP_A) + e * size, size)
                                            : sum_of(s.row<int32_t>(OP_A) + e * size, size);
    const i128 total = i128(start == nullptr ? 0 : start[e]) + sum;
    s.result<int64_t>()[e] = int64_t(std::min<i128>(std::max<i128>(total, -INT64_MAX), INT64_MAX));
  }
}

// The threshold only gets smaller by what it covers: once it is 0 or more it stays so.
void fold_pick(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int count = s.length(OP_A);
  int64_t token = s.row<int64_t>(OP_B)[0], threshold = s.row<int64_t>(OP_B)[1];
  for (int k = 0; k < count && token < 0; k++) {
    const int32_t v = std::max(a[k], 0);
    if (v > threshold) token = int64_t(s.p(0)) + k;
    else threshold -= v;
  }
  s.result<int64_t>()[0] = std::max(token, -INT64_MAX);
  s.result<int64_t>()[1] = std::max(threshold, -INT64_MAX);
}

void embed(const Step& s) {
  const int64_t token = std::min(uint32_t(word(s.lane, LANE_TOKEN)), s.count(OP_B) - 1);
  const int64_t scale = s.row<int32_t>(OP_C)[token];
  const int8_t* row = s.row<int8_t>(OP_B) + token * s.length(OP_B);
  const int shift = s.p(0), bits = s.p(1), count = s.out_length();
  for (int e = 0; e < count; e++) s.result<int32_t>()[e] = int32_t(sat(rshr(row[e] * scale, shift), bits));
}

// The mean is at most 2^63 + 2^31: it fits 64 bits without a sign.
void rms(const Step& s) {
  const int64_t* a = s.row<int64_t>(OP_A);
  const int count = s.out_length();
  for (int e = 0; e < count; e++) {
    const uint64_t mean = uint64_t(std::max<int64_t>(a[e], 0)) / uint64_t(s.p(0)) + uint64_t(s.p(1));
    const uint64_t root = std::max<uint64_t>(isqrt_shifted(mean, s.p(2)), 1);
    s.result<int64_t>()[e] = int64_t((uint64_t(1) << s.p(3)) / root);
  }
}

void norm(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int64_t* b = s.row<int64_t>(OP_B);
  const int32_t* gain = s.row<int32_t>(OP_C);
  int32_t* out = s.result<int32_t>();
  const int groups = s.length(OP_B), size = s.out_length() / groups, s1 = s.p(0), s2 = s.p(1);
  for (int g = 0; g < groups; g++) {
    const int64_t factor = b[g];
    // |a * factor| <= 2^62 then, else 128 bits. |x * gain| <= 2^62 always.
    const bool fits = factor >= -(int64_t(1) << 31) && factor <= (int64_t(1) << 31);
    for (int i = 0; i < size; i++) {
      const int e = g * size + i;
      const int64_t x = fits ? sat(rshr(a[e] * factor, s1), 31) : mul_rshr_sat(a[e], factor, s1, 31);
      out[e] = int32_t(sat(rshr(x * gain[i], s2), 31));
    }
  }
}

constexpr int RECIPROCAL_FRACTION = 47;

void quantize(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t* b = s.row<int32_t>(OP_B);
  const int groups = s.length(OP_B), size = s.out_length() / groups;
  for_type(s, [&](auto* out, int bits) {
    for (int g = 0; g < groups; g++) {
      const int64_t top = std::max(b[g], 1);
      const int64_t inverse = (((int64_t(1) << bits) - 1) << RECIPROCAL_FRACTION) / top;
      // Whoever lies within the top gives at most Q 2^47, below 2^62; the others saturate, as their sign says.
      int32_t least = 0, most = 0;
      for (int e = g * size; e < (g + 1) * size; e++) {
        least = std::min(least, a[e]);
        most = std::max(most, a[e]);
      }
      if (most <= top && least >= -top && bits <= 15) {
        for (int e = g * size; e < (g + 1) * size; e++) out[e] = sat(rshr(a[e] * inverse, RECIPROCAL_FRACTION), bits);
      } else {
        for (int e = g * size; e < (g + 1) * size; e++) out[e] = mul_rshr_sat(a[e], inverse, RECIPROCAL_FRACTION, bits);
      }
    }
  });
}

// Elements `first .. last - 1`, of which `a` are the sums.
template <typename T>
void dequant(const Step& s, const T* a, int first, int last) {
  const int64_t scale = s.row<int32_t>(OP_B)[0];
  const int32_t* channel = s.row<int32_t>(OP_C) + first;
  const int k = s.p(0), mbits = s.p(1), abits = s.p(2), shift = s.p(3), bits = s.p(4), count = last - first;
  int32_t* __restrict out = s.result<int32_t>() + first;
  // |scale * channel| <= 2^62.
  if (mbits + abits <= 62) {
    for (int e = 0; e < count; e++) {
      out[e] = int32_t(sat(rshr(sat(a[e], abits) * sat(rshr(scale * channel[e], k), mbits), shift), bits));
    }
  } else {
    for (int e = 0; e < count; e++) {
      out[e] = int32_t(mul_rshr_sat(sat(a[e], abits), sat(rshr(scale * channel[e], k), mbits), shift, bits));
    }
  }
}

void dequant(const Step& s, int first, int last) {
  if (s.type(OP_A) == I32) dequant(s, s.row<int32_t>(OP_A) + first, first, last);
  else dequant(s, s.row<int64_t>(OP_A) + first, first, last);
}

void add(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t* b = s.row<int32_t>(OP_B);
  const int bits = s.p(0), count = s.out_length();
  for (int e = 0; e < count; e++) s.result<int32_t>()[e] = int32_t(sat(int64_t(a[e]) + b[e], bits));
}

void rope(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int size = s.length(OP_B), half = size / 2, shift = s.p(0), count = s.out_length();
  const int16_t* table = s.row<int16_t>(OP_B) + int64_t(std::min(uint32_t(s.t()), s.count(OP_B) - 1)) * size;
  int16_t* out = s.result<int16_t>();
  for (int head = 0; head < count; head += size) {
    for (int j = 0; j < half; j++) {
      const int64_t cos = table[j], sin = table[half + j], x = a[head + j], y = a[head + half + j];
      out[head + j] = int16_t(sat(rshr(x * cos - y * sin, shift), 15));
      out[head + half + j] = int16_t(sat(rshr(y * cos + x * sin, shift), 15));
    }
  }
}

// |a * mul| <= 2^62.
void rescale(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int64_t mul = s.p(0);
  const int shift = s.p(1), count = s.out_length();
  for_type(s, [&](auto* out, int bits) {
    for (int e = 0; e < count; e++) out[e] = sat(rshr(a[e] * mul, shift), bits);
  });
}

// Elements of a loop that is done in parts: what is between two parts stays in the nearest cache.
constexpr int BLOCK = 64;

// out[j] = 2^-steps[j], of steps of the table, shifted right by s more. At most BLOCK of them.
template <typename T>
void powers(const uint64_t* steps, int count, const int32_t* table, int tb, int s, int bits, T* out) {
  // Loops with a look-up do not become vectors: it is done by itself.
  int32_t entries[BLOCK], shifts[BLOCK];
  for (int j = 0; j < count; j++) {
    entries[j] = int32_t(steps[j] & ((uint64_t(1) << tb) - 1));
    shifts[j] = int32_t(std::min<uint64_t>((steps[j] >> tb) + uint64_t(s), 32));
  }
  for (int j = 0; j < count; j++) entries[j] = table[entries[j]];
  const int32_t bound = int32_t((int64_t(1) << bits) - 1);
  for (int j = 0; j < count; j++) {
    // Rounded by the last bit that is lost; 32 bits or more leave nothing of an i32.
    const int32_t n = shifts[j], last = (entries[j] >> (std::max(n, 1) - 1)) & (n > 0);
    const int32_t x = n > 31 ? 0 : (entries[j] >> (n & 31)) + last;
    out[j] = T(std::min(std::max(x, -bound), bound));
  }
}

void exp2(const Step& s, int first, int last) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t* b = s.row<int32_t>(OP_B);
  const int32_t* table = s.row<int32_t>(OP_C);
  const int size = s.out_length() / s.length(OP_B), tb = s.p(1), shift = s.p(0) - tb, more = s.p(2);
  for_type(s, [&](auto* out, int bits) {
    for (int g = first; g < last; g++) {
      uint64_t steps[BLOCK];
      for (int from = g * size; from < (g + 1) * size; from += BLOCK) {
        const int count = std::min(BLOCK, (g + 1) * size - from);
        for (int j = 0; j < count; j++) steps[j] = uint64_t(rshr(std::max<int64_t>(int64_t(b[g]) - a[from + j], 0), shift));
        powers(steps, count, table, tb, more, bits, out + from);
      }
    }
  });
}

void divide(const Step& s) {
  const int64_t* a = s.row<int64_t>(OP_A);
  const int64_t* b = s.row<int64_t>(OP_B);
  const int groups = s.length(OP_B), size = s.out_length() / groups, k = s.p(0);
  int32_t* out = s.result<int32_t>();
  for (int g = 0; g < groups; g++) {
    const int64_t divisor = std::max<int64_t>(b[g], 1), half = divisor / 2;
    const Divisor by(divisor);
    for (int e = g * size; e < (g + 1) * size; e++) {
      // |a << k| below 2^62, and half too: no sum overflows.
      const int64_t spare = int64_t(1) << (62 - k);
      if (a[e] < spare && a[e] > -spare) {
        out[e] = int32_t(sat(by.floor((a[e] * (int64_t(1) << k)) + half), 31));
      } else {
        const i128 q = floor_div<i128>(i128(a[e]) * (i128(1) << k) + half, divisor);
        out[e] = int32_t(std::min<i128>(std::max<i128>(q, -INT32_MAX), INT32_MAX));
      }
    }
  }
}

void gate(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t* b = s.row<int32_t>(OP_B);
  const int16_t* table = s.row<int16_t>(OP_C);
  int32_t* out = s.result<int32_t>();
  const int64_t entries = s.length(OP_C);
  const int s1 = s.p(0), s2 = s.p(1), s3 = s.p(2), count = s.out_length();
  // Loops with a look-up do not become vectors: it is done by itself.
  int32_t places[BLOCK], weights[BLOCK];
  for (int first = 0; first < count; first += BLOCK) {
    const int size = std::min(BLOCK, count - first);
    for (int i = 0; i < size; i++)
      places[i] = int32_t(std::clamp<int64_t>(rshr(a[first + i], s1) + entries / 2, 0, entries - 1));
    for (int i = 0; i < size; i++) weights[i] = table[places[i]];
    for (int i = 0; i < size; i++) {
      // |a * weight| <= 2^46, then |x * b| <= 2^62.
      const int64_t x = sat(rshr(int64_t(a[first + i]) * weights[i], s2), 31);
      out[first + i] = int32_t(sat(rshr(x * b[first + i], s3), 31));
    }
  }
}

void weigh(const Step& s) {
  const int32_t* a = s.row<int32_t>(OP_A);
  const int32_t top = s.row<int32_t>(OP_B)[0];
  const int32_t* table = s.row<int32_t>(OP_C);
  const int tb = s.p(1), more = s.p(2), count = s.out_length();
  int32_t* out = s.result<int32_t>();
  const int64_t temperature = uint32_t(word(s.lane, LANE_TEMPERATURE));
  if (temperature == 0) {
    for (int e = 0; e < count; e++) out[e] = a[e] >= top;
    return;
  }
  const uint64_t inverse = uint64_t(std::min<int64_t>((int64_t(s.p(0)) << 16) / temperature, INT32_MAX));
  uint64_t steps[BLOCK];
  for (int from = 0; from < count; from += BLOCK) {
    const int size = std::min(BLOCK, count - from);
    // Below 2^32 times 2^31, and half of 2^16 more.
    for (int j = 0; j < size; j++)
      steps[j] = (uint64_t(std::max<int64_t>(int64_t(top) - a[from + j], 0)) * inverse + 0x8000) >> 16;
    powers(steps, size, table, tb, more, 31, out + from);
  }
}

void draw(const Step& s) {
  const int64_t total = s.row<int64_t>(OP_A)[0];
  const bool greedy = word(s.lane, LANE_TEMPERATURE) == 0 || total <= 0;
  s.result<int64_t>()[0] = -1;
  s.result<int64_t>()[1] = greedy ? 0 : int64_t(((unsigned __int128)field<uint64_t>(s.lane, LANE_RANDOM) * uint64_t(total)) >> 64);
}

// Whether sums of products of these i16 with any others, or of some of them, stay below 2^31.
bool is_light(const int16_t* x, int count) {
  uint32_t sum = 0;
  for (int i = 0; i < count; i++) sum += uint32_t(std::abs(int32_t(x[i])));
  return sum < 1u << 16;
}

// A row of at most 256 i16 for sums of its products with i16 that fit 32 bits: as it is if it is light, as the rows of models are, else in two
// halves, x = 256 high + low.
struct Halves {
  alignas(64) int16_t high[256];
  alignas(64) int16_t low[256];
  const bool light;

  Halves(const int16_t* x, int size) : light(is_light(x, size)) {
    for (int i = 0; i < size; i++) {
      high[i] = light ? 0 : int16_t(x[i] >> 8);
      low[i] = light ? x[i] : int16_t(x[i] & 255);
    }
  }
};

// Sums of at most 256 products of 2^30, with COUNT rows that are `stride` elements apart: halves of at most 2^24 a pair, and 128 pairs.
template <int COUNT, bool LIGHT>
void products(const Halves& a, const int16_t* b, int64_t stride, int size, int64_t sums[COUNT]) {
  Sum high[COUNT], low[COUNT];
  for (int j = 0; j < COUNT; j++) high[j] = low[j] = zero();
  int i = 0;
  for (; i + STEP <= size; i += STEP) {
    const auto h = load_activations(a.high + i), l = load_activations(a.low + i);
    for (int j = 0; j < COUNT; j++) {
      const auto x = load_activations(b + j * stride + i);
      if constexpr (!LIGHT) high[j] = add_dot(high[j], h, x);
      low[j] = add_dot(low[j], l, x);
    }
  }
  int64_t tops[COUNT] = {};
  if constexpr (COUNT == 4) {
    if constexpr (!LIGHT) totals(high, tops);
    totals(low, sums);
  } else {
    if constexpr (!LIGHT) tops[0] = total(high[0]);
    sums[0] = total(low[0]);
  }
  for (int j = 0; j < COUNT; j++) {
    sums[j] += 256 * tops[j];
    for (int k = i; k < size; k++) sums[j] += (256 * a.high[k] + a.low[k]) * int64_t(b[j * stride + k]);
  }
}

// The same with `count` rows.
template <bool LIGHT>
void products_of(const Halves& a, const int16_t* b, int64_t stride, int size, int count, int64_t* sums) {
  int j = 0;
  for (; j + 4 <= count; j += 4) products<4, LIGHT>(a, b + j * stride, stride, size, sums + j);
  for (; j < count; j++) products<1, LIGHT>(a, b + j * stride, stride, size, sums + j);
}

constexpr int32_t MASKED = -INT32_MAX;

void fold_scores(const Step& s, int first, int last) {
  const int size = s.p(0), shift = s.p(2), window = s.p(3), positions = s.t() + 1;
  const int64_t mul = s.p(1), row = s.length(OP_B);
  const int heads_per_kv = int(word(s.op, OP_HEADS) / (row / size));
  const int open = window > 0 ? std::max(positions - window, 0) : 0;
  for (int h = first; h < last; h++) {
    const Halves q(s.row<int16_t>(OP_A) + h * size, size);
    const int16_t* keys = s.cached(OP_B) + h / heads_per_kv * size;
    int32_t* out = s.result<int32_t>() + int64_t(h) * positions;
    for (int p = 0; p < open; p++) out[p] = MASKED;
    int64_t sums[BLOCK];
    for (int from = open; from < positions; from += BLOCK) {
      const int count = std::min(BLOCK, positions - from);
      if (q.light) products_of<true>(q, keys + from * row, row, size, count, sums);
      else products_of<false>(q, keys + from * row, row, size, count, sums);
      for (int i = 0; i < count; i++) out[from + i] = int32_t(sat(rshr(sums[i] * mul, shift), 31));
    }
  }
}

constexpr int MIX = 32;

// sums[i] = the weighted sum over positions of MIX values; rows of values are `row` elements apart. At most 2^22 positions of 2^30 each.
void mix(const int16_t* weights, const int16_t* values, int64_t row, int positions, int64_t* sums) {
  for (int i = 0; i < MIX; i++) sums[i] = 0;
#if defined(__AVX512VNNI__)
  // Two positions at a time. Weights that are not light in halves of 8 bits: a pair gives at most 2^24, and 64 pairs fit 32 bits.
  for (int from = 0; from < positions; from += 128) {
    const int to = std::min(from + 128, positions);
    const bool light = is_light(weights + from, to - from);
    Sum high[2] = {zero(), zero()}, low[2] = {zero(), zero()};
    for (int p = from; p < to; p += 2) {
      const bool pair = p + 1 < to;
      const __m512i x = _mm512_loadu_si512(values + p * row);
      const __m512i y = pair ? _mm512_loadu_si512(values + (p + 1) * row) : zero();
      const auto both = [](int32_t w0, int32_t w1) { return _mm512_set1_epi32(int32_t(uint32_t(w1) << 16 | (uint32_t(w0) & 0xffff))); };
      const int32_t w0 = weights[p], w1 = pair ? weights[p + 1] : 0;
      const __m512i l = light ? both(w0, w1) : both(w0 & 255, w1 & 255);
      const __m512i pairs[2] = {_mm512_unpacklo_epi16(x, y), _mm512_unpackhi_epi16(x, y)};
      for (int k = 0; k < 2; k++) low[k] = add_dot(low[k], pairs[k], l);
      if (light) continue;
      const __m512i h = both(w0 >> 8, w1 >> 8);
      for (int k = 0; k < 2; k++) high[k] = add_dot(high[k], pairs[k], h);
    }
    // Unpacking took four values of each 128 bits, then the other four.
    alignas(64) int32_t parts[2][2][16];
    for (int k = 0; k < 2; k++) {
      _mm512_store_si512(parts[0][k], high[k]);
      _mm512_store_si512(parts[1][k], low[k]);
    }
    for (int i = 0; i < MIX; i++) {
      const int k = i % 8 / 4, at = i / 8 * 4 + i % 4;
      sums[i] += 256 * int64_t(parts[0][k][at]) + parts[1][k][at];
    }
  }
#else
  for (int p = 0; p < positions; p++) {
    const int32_t w = weights[p];
    const int16_t* v = values + p * row;
    for (int i = 0; i < MIX; i++) sums[i] += w * v[i];
  }
#endif
}

void fold_mix(const Step& s, int first, int last) {
  const int size = s.p(0), positions = s.t() + 1;
  const int64_t row = s.length(OP_B);
  const int heads_per_kv = int(word(s.op, OP_HEADS) / (row / size));
  for (int h = first; h < last; h++) {
    const int16_t* weights = s.row<int16_t>(OP_A) + int64_t(h) * positions;
    const int16_t* values = s.cached(OP_B) + h / heads_per_kv * size;
    int64_t* out = s.result<int64_t>() + h * size;
    int i = 0;
    for (; i + MIX <= size; i += MIX) mix(weights, values + i, row, positions, out + i);
    for (; i < size; i++) {
      out[i] = 0;
      for (int p = 0; p < positions; p++) out[i] += int32_t(weights[p]) * values[p * row + i];
    }
  }
}

// Lanes from which on arithmetic takes longer than reading weights.
constexpr int MANY_LANES = 16;

constexpr int ROWS = 4;
#if defined(__AVX512VNNI__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

template <int R, int N>
void dot_store(const int8_t* w, int64_t size, const int16_t* const* activations, uint8_t* const* out, int e, bool wide) {
  int64_t sums[N][R];
  dot_tile<R, N>(w, size, activations, sums);
  for (int l = 0; l < N; l++) {
    for (int r = 0; r < R; r++) {
      // An i32 sum comes from i8 activations: at most 2^30.
      if (wide) reinterpret_cast<int64_t*>(out[l])[e + r] = sums[l][r];
      else reinterpret_cast<int32_t*>(out[l])[e + r] = int32_t(sums[l][r]);
    }
  }
}

template <int R>
void dot_lanes(const int8_t* w, int64_t size, const int16_t* const* a, uint8_t* const* out, int lanes, int e, bool wide) {
  int lane = 0;
  for (; lane + LANES <= lanes; lane += LANES) dot_store<R, LANES>(w, size, a + lane, out + lane, e, wide);
  for (; lane < lanes; lane++) dot_store<R, 1>(w, size, a + lane, out + lane, e, wide);
}

// A thread's share of the elements of a row.
struct Share {
  int first, last;

  Share(int64_t length, int thread, int threads) {
    const int64_t fours = (length + ROWS - 1) / ROWS;
    first = int(fours * thread / threads * ROWS);
    last = int(std::min(fours * (thread + 1) / threads * ROWS, length));
  }
};

// Where the copy of a row as tiles read it begins: behind that of a row of i8 as i16.
int64_t tile_row_at(int type, int64_t length) { return type == I8 ? (2 * length + 63) / 64 * 64 : 0; }

// The copies of the row of this step that dot products read.
void copy_for_dots(const Step& s, uint8_t* to, [[maybe_unused]] bool many) {
  const int count = s.out_length();
  [[maybe_unused]] const int16_t* row = s.result<int16_t>();
  if (s.out_type() == I8) {
    int16_t* copy = reinterpret_cast<int16_t*>(to);
    for (int e = 0; e < count; e++) copy[e] = s.result<int8_t>()[e];
    row = copy;
  }
#if defined(OTR_TILES)
  if (many) TileRow(to + tile_row_at(s.out_type(), count), count).fill(row, count);
#endif
}

Step step_of(const uint8_t* op, const uint8_t* lane) {
  return {op, lane, address<uint8_t>(lane, LANE_ARENA) + field<int64_t>(op, OP_OUT)};
}

// A thread's share of the elements of `fold_dot`, for all lanes, and of `next`, the `dequant` that is fused with it, if there is one.
void dots(const uint8_t* op, const uint8_t* next, const uint8_t* lanes, int active, int thread, int threads) {
  const int64_t size = word(op, OP_A + ARG_LENGTH);
  const int8_t* weights = address<int8_t>(op, OP_B + ARG_AT);
  const int type = word(op, OP_A + ARG_TYPE);
  const int64_t copies = field<int64_t>(op, OP_A + ARG_COPIES);
  const bool wide = word(op, OP_OUT_TYPE) == I64;
  const auto [first, last] = Share(word(op, OP_OUT_LENGTH), thread, threads);
  const auto lane_at = [&](int lane) { return lanes + lane * LANE_BYTES; };
  const auto arena = [&](int lane) { return address<uint8_t>(lane_at(lane), LANE_ARENA); };
#if defined(OTR_TILES)
  if (active >= MANY_LANES) {
    thread_local std::vector<TileRow> rows;
    rows.clear();
    for (int lane = 0; lane < active; lane++) rows.emplace_back(arena(lane) + copies + tile_row_at(type, size), size);
    multiply_tiles(weights, size, rows, first, last, [&](int lane, int e, int count, const int64_t* sums) {
      const Step s = step_of(op, lane_at(lane));
      if (next != nullptr) dequant(step_of(next, lane_at(lane)), sums, e, e + count);
      else if (wide) std::copy_n(sums, count, s.result<int64_t>() + e);
      else std::copy_n(sums, count, s.result<int32_t>() + e);
    });
    return;
  }
#endif
  thread_local std::vector<const int16_t*> a;
  thread_local std::vector<uint8_t*> out;
  a.clear();
  out.clear();
  const int64_t from = type == I8 ? copies : field<int64_t>(op, OP_A + ARG_AT);
  for (int lane = 0; lane < active; lane++) {
    a.push_back(reinterpret_cast<const int16_t*>(arena(lane) + from));
    out.push_back(step_of(op, lane_at(lane)).out);
  }
  int e = first;
  for (; e + ROWS <= last; e += ROWS) dot_lanes<ROWS>(weights + e * size, size, a.data(), out.data(), active, e, wide);
  for (; e < last; e++) dot_lanes<1>(weights + e * size, size, a.data(), out.data(), active, e, wide);
  if (next == nullptr) return;
  for (int lane = 0; lane < active; lane++) dequant(step_of(next, lane_at(lane)), first, last);
}

// An instruction for one lane, of `many` or not: of the groups `first .. last - 1`, or all of its row if `last` is negative.
void run_one(const uint8_t* op, const uint8_t* lane, bool many, int first, int last) {
  const Step s = step_of(op, lane);
  const int heads = last < 0 ? word(op, OP_HEADS) : last;
  const int outs = last < 0 ? s.out_length() : last;
  switch (word(op, OP_OPCODE)) {
    case FOLD_SUMSQ: fold_sumsq(s); break;
    case FOLD_AMAX: fold_amax(s); break;
    case FOLD_MAX: fold_max(s, first, outs); break;
    case FOLD_SUM: fold_sum(s, first, outs); break;
    case FOLD_PICK: fold_pick(s); break;
    case FOLD_DOT: dots(op, nullptr, lane, 1, 0, 1); break;
    case FOLD_SCORES: fold_scores(s, first, heads); break;
    case FOLD_MIX: fold_mix(s, first, heads); break;
    case EMBED: embed(s); break;
    case RMS: rms(s); break;
    case NORM: norm(s); break;
    case QUANTIZE: quantize(s); break;
    case DEQUANT: dequant(s, 0, outs); break;
    case ADD: add(s); break;
    case ROPE: rope(s); break;
    case RESCALE: rescale(s); break;
    case EXP2: exp2(s, first, last < 0 ? s.length(OP_B) : last); break;
    case DIVIDE: divide(s); break;
    case GATE: gate(s); break;
    case WEIGH: weigh(s); break;
    case DRAW: draw(s); break;
    default: __builtin_trap();
  }
  const int64_t wide = field<int64_t>(op, OP_COPIES);
  if (wide >= 0) copy_for_dots(s, s.arena() + wide, many);
  const int64_t bytes = field<int64_t>(op, OP_CACHED_BYTES);
  if (bytes > 0) {
    uint8_t* slot = address<uint8_t>(lane, LANE_CACHE) + field<int64_t>(op, OP_CACHED_PREFIX) * word(lane, LANE_CAPACITY);
    memcpy(slot + s.t() * bytes, s.out, bytes);
  }
}

// Parents of all pairs of nodes, level by level, until one node is left of each tree: of trees that have the same number of leaves.
void tree_tops(const std::vector<uint8_t*>& trees, int64_t leaves) {
  thread_local std::vector<const uint8_t*> from;
  thread_local std::vector<uint8_t*> to;
  for (int64_t width = leaves; width > 1; width = (width + 1) / 2) {
    // Nodes are overwritten from the front: the pairs of one place come together, before those of the next.
    for (int64_t i = 0; i < width; i += 2) {
      for (uint8_t* nodes : trees) {
        if (i + 1 == width) memset(nodes + 32 * width, 0, 32);
        from.push_back(nodes + 32 * i);
        to.push_back(nodes + 16 * i);
      }
    }
    keccak_many(from.data(), 2, to.data(), int(from.size()));
    from.clear();
    to.clear();
  }
}

// Row leaves of a thread's share of the cached rows. Rows of one size go up their trees together.
void make_leaves(const uint8_t* job, const uint8_t* lanes, int count, int thread, int threads) {
  const uint8_t* slots = address<uint8_t>(job, JOB_SLOTS);
  const int slot_count = word(job, JOB_SLOT_COUNT);
  thread_local std::vector<uint8_t> memory;
  thread_local std::vector<uint8_t*> trees, leaves;
  thread_local std::vector<const uint8_t*> messages;
  const auto chunks_of = [&](int slot) { return (field<int64_t>(slots + slot * SLOT_BYTES, SLOT_ROW_BYTES) + 31) / 32; };
  for (int first = thread; first < slot_count;) {
    const int64_t chunks = chunks_of(first);
    int end = first;
    while (end < slot_count && chunks_of(end) == chunks) end += threads;
    // A message of four words before each tree's nodes: the last word is the tree's top.
    const int64_t stride = 32 * (chunks + 1) + 128;
    memory.resize(stride * count * ((end - first) / threads));
    trees.clear();
    leaves.clear();
    messages.clear();
    uint8_t* message = memory.data();
    for (int slot = first; slot < end; slot += threads) {
      const uint8_t* about = slots + slot * SLOT_BYTES;
      const int64_t bytes = field<int64_t>(about, SLOT_ROW_BYTES);
      for (int i = 0; i < count; i++) {
        const uint8_t* lane = lanes + i * LANE_BYTES;
        uint8_t* to = address<uint8_t>(lane, LANE_LEAVES);
        if (to == nullptr) continue;
        const uint8_t* row = address<uint8_t>(lane, LANE_CACHE) +
                             field<int64_t>(about, SLOT_PREFIX) * word(lane, LANE_CAPACITY) + bytes * word(lane, LANE_T);
        uint8_t* nodes = message + 128;
        for (int64_t c = 0; c < chunks; c++) {
          uint8_t chunk[32] = {};
          memcpy(chunk, row + 32 * c, std::min<int64_t>(32, bytes - 32 * c));
          sha256_of_32(chunk, nodes + 32 * c);
        }
        memcpy(message, job + JOB_ROW_TAG, 32);
        put_word(message + 32, uint32_t(word(about, SLOT_TYPE)));
        put_word(message + 64, uint32_t(word(about, SLOT_LENGTH)));
        trees.push_back(nodes);
        messages.push_back(message);
        leaves.push_back(to + 32 * slot);
        message += stride;
      }
    }
    tree_tops(trees, chunks);
    for (uint8_t* nodes : trees) memcpy(nodes - 32, nodes, 32);
    keccak_many(messages.data(), 4, leaves.data(), int(messages.size()));
    first = end;
  }
}

// Cache roots of a thread's share of the lanes.
void make_roots(const uint8_t* job, const uint8_t* lanes, int count, int thread, int threads) {
  const int slot_count = word(job, JOB_SLOT_COUNT);
  for (int i = thread; i < count; i += threads) {
    uint8_t* nodes = address<uint8_t>(lanes + i * LANE_BYTES, LANE_LEAVES);
    if (nodes == nullptr) continue;
    tree_tops({nodes}, slot_count);
    uint8_t message[96];
    memcpy(message, job + JOB_CACHE_TAG, 32);
    put_word(message + 32, uint32_t(slot_count));
    memcpy(message + 64, nodes, 32);
    const uint8_t* from = message;
    keccak_many(&from, 3, &nodes, 1);
  }
}

}  // namespace

int64_t dot_copy_bytes(int type, int64_t length) {
  const int64_t wide = tile_row_at(type, length);
#if defined(OTR_TILES)
  return wide + TileRow::bytes(length);
#else
  return wide;
#endif
}

void run_job(const uint8_t* job, int thread, int threads, Barrier& barrier) {
  const uint8_t* ops = address<uint8_t>(job, JOB_OPS);
  const uint8_t* lanes = address<uint8_t>(job, JOB_LANES);
  const int count = word(job, JOB_OP_COUNT), all = word(job, JOB_LANE_COUNT), full = word(job, JOB_FULL_COUNT);
  const auto op_at = [&](int i) { return ops + int64_t(i) * OP_BYTES; };
  const auto active_of = [&](const uint8_t* op) { return word(op, OP_NEEDED) ? all : full; };
  const auto by_lanes = [&](const uint8_t* op) {
    const int share = word(op, OP_SHARE);
    return share == SHARE_LANES || (share == SHARE_HEADS && active_of(op) >= threads);
  };
  for (int i = 0; i < count;) {
    const uint8_t* op = op_at(i);
    if (word(op, OP_BARRIER)) barrier.wait();
    const int active = active_of(op);
    if (by_lanes(op)) {
      // All up to the next barrier for one lane after the other: its rows stay in the nearest cache.
      int end = i + 1;
      while (end < count && by_lanes(op_at(end)) && !word(op_at(end), OP_BARRIER)) end++;
      for (int lane = thread; lane < all; lane += threads) {
        for (int k = i; k < end; k++) {
          const int others = active_of(op_at(k));
          if (lane < others) run_one(op_at(k), lanes + lane * LANE_BYTES, others >= MANY_LANES, 0, -1);
        }
      }
      i = end;
      continue;
    }
    if (word(op, OP_SHARE) == SHARE_HEADS) {
      const int heads = word(op, OP_HEADS), first = heads * thread / threads, last = heads * (thread + 1) / threads;
      for (int lane = 0; lane < active; lane++) run_one(op, lanes + lane * LANE_BYTES, false, first, last);
    } else if (active > 0) {
      // The next instruction may be fused with it.
      const uint8_t* next = word(op, OP_FUSED) ? op_at(++i) : nullptr;
      dots(op, next, lanes, active, thread, threads);
    }
    i++;
  }
  barrier.wait();
  make_leaves(job, lanes, all, thread, threads);
  barrier.wait();
  make_roots(job, lanes, all, thread, threads);
}
