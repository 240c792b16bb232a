#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "dot.h"

// Dot products of the same weight rows with the activation rows of many lanes. What reads weights once for one lane is bounded by memory;
// here arithmetic takes the time, and processors have half as many units that multiply as units that add. So a pair of products costs one
// multiplication, by Winograd's identity for inner products:
//
//   a0 w0 + a1 w1 = (a0 + w1) (a1 + w0) - a0 a1 - w0 w1
//
// The a0 a1 are summed up once for each activation row, the w0 w1 once for each weight row. Sums wrap around at 2^32, which changes nothing:
// the sum of the RUN products that are wanted is below 2^31 (each is at most 2^22). Activations so large that a weight could take them out
// of 16 bits are taken out of their row and added by themselves: a row that was quantized has few of them.

#if defined(__AVX512VNNI__)
#define OTR_TILES

constexpr int TILE_ROWS = 32, TILE_LANES = 8, RUN = 384;
constexpr int VECTORS = TILE_ROWS / 16;
// Of an activation that any weight may be added to.
constexpr int LARGEST = INT16_MAX + INT8_MIN;

static inline int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// An activation row as tiles read it: in each four elements a0 a1 a2 a3 the middle ones are exchanged.
struct TileRow {
  // An activation that is too large, and its place in its run.
  struct Large {
    uint16_t place;
    int16_t value;
  };
  struct Run {
    // The sum of its a0 a1, modulo 2^32.
    int32_t pairs;
    int32_t large;
  };
  int16_t* const words;
  Run* const runs;
  // Of each run from its first place on.
  Large* const large;

  TileRow(uint8_t* at, int64_t length)
      : words(reinterpret_cast<int16_t*>(at)),
        runs(reinterpret_cast<Run*>(at + padded(2 * length))),
        large(reinterpret_cast<Large*>(runs + (length + RUN - 1) / RUN)) {}

  static int64_t bytes(int64_t length) { return padded(2 * length) + (length + RUN - 1) / RUN * sizeof(Run) + length * sizeof(Large); }

  void fill(const int16_t* a, int64_t length) const {
    for (int64_t from = 0; from < length; from += RUN) {
      Run& run = runs[from / RUN];
      run.large = 0;
      Sum pairs = zero();
      const int64_t end = std::min(from + RUN, length);
      for (int64_t k = from; k < end; k += 32) {
        const __mmask32 there = end - k >= 32 ? ~0u : (1u << (end - k)) - 1;
        const __m512i x = _mm512_maskz_loadu_epi16(there, a + k);
        // The magnitude of the lowest i16 is right as an unsigned one.
        uint32_t out = _mm512_cmpgt_epu16_mask(_mm512_abs_epi16(x), _mm512_set1_epi16(LARGEST));
        const __m512i rest = _mm512_maskz_mov_epi16(~out, x);
        for (; out != 0; out &= out - 1) {
          const int64_t place = k + __builtin_ctz(out);
          large[from + run.large++] = {uint16_t(place - from), a[place]};
        }
        const __m512i row = _mm512_shufflehi_epi16(_mm512_shufflelo_epi16(rest, 0xd8), 0xd8);
        _mm512_storeu_si512(words + k, row);
        pairs = add_dot(pairs, row, _mm512_maskz_shuffle_epi32(0x5555, row, _MM_PERM_CDAB));
      }
      run.pairs = int32_t(total(pairs));
    }
  }
};

// Transposes 16 rows of 16 words of 32 bits.
static inline void transpose(__m512i x[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  // Word i of each 128 bits of four rows, from the same 128 bits.
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    const __m512i low[2] = {_mm512_shuffle_i32x4(x[i], x[4 + i], 0x88), _mm512_shuffle_i32x4(x[8 + i], x[12 + i], 0x88)};
    const __m512i high[2] = {_mm512_shuffle_i32x4(x[i], x[4 + i], 0xdd), _mm512_shuffle_i32x4(x[8 + i], x[12 + i], 0xdd)};
    x[i] = _mm512_shuffle_i32x4(low[0], low[1], 0x88);
    x[4 + i] = _mm512_shuffle_i32x4(high[0], high[1], 0x88);
    x[8 + i] = _mm512_shuffle_i32x4(low[0], low[1], 0xdd);
    x[12 + i] = _mm512_shuffle_i32x4(high[0], high[1], 0xdd);
  }
}

// A run of TILE_ROWS weight rows, widened and side by side: each vector has two weights of each of 16 rows.
struct WeightTile {
  // Of each four weights w0 w1 w2 w3 of a row.
  struct Four {
    __m512i even[VECTORS], odd[VECTORS];
  };
  Four fours[RUN / 4];
  // The sums of w0 w1, modulo 2^32.
  Sum pairs[VECTORS];

  // `count` elements of `rows` rows that are `size` elements apart; there are zeros beyond them.
  void fill(const int8_t* w, int64_t size, int rows, int count) {
    for (int v = 0; v < VECTORS; v++) {
      Sum sum = zero();
      for (int from = 0; from < count; from += 64) {
        const __mmask64 there = count - from >= 64 ? ~0ull : (1ull << (count - from)) - 1;
        __m512i x[16];
        for (int r = 0; r < 16; r++) {
          const int row = 16 * v + r;
          x[r] = _mm512_maskz_loadu_epi8(row < rows ? there : 0, w + row * size + from);
        }
        transpose(x);
        Four* four = fours + from / 4;
        const int last = std::min(16, (count - from + 3) / 4);
        for (int i = 0; i < last; i++) {
          four[i].even[v] = _mm512_srai_epi16(_mm512_slli_epi16(x[i], 8), 8);
          four[i].odd[v] = _mm512_srai_epi16(x[i], 8);
          sum = add_dot(sum, four[i].even[v], four[i].odd[v]);
        }
      }
      pairs[v] = sum;
    }
  }

  // Sums of (a0 + w1) (a1 + w0). By itself, so that the compiler keeps them in registers.
  [[gnu::noinline]] static void cross(const Four* w, int count, const int16_t* const* rows, Sum (*sums)[VECTORS]) {
    const auto two = [](const int16_t* at) {
      int32_t words;
      memcpy(&words, at, sizeof words);
      return _mm512_set1_epi32(words);
    };
    Sum sum[TILE_LANES][VECTORS];
    for (int l = 0; l < TILE_LANES; l++)
      for (int v = 0; v < VECTORS; v++) sum[l][v] = zero();
    for (int64_t k = 0; k < count; k += 4, w++) {
      for (int l = 0; l < TILE_LANES; l++) {
        const __m512i even = two(rows[l] + k), odd = two(rows[l] + k + 2);
        for (int v = 0; v < VECTORS; v++)
          sum[l][v] = add_dot(sum[l][v], _mm512_add_epi16(even, w->odd[v]), _mm512_add_epi16(odd, w->even[v]));
      }
    }
    for (int l = 0; l < TILE_LANES; l++)
      for (int v = 0; v < VECTORS; v++) sums[l][v] = sum[l][v];
  }

  // sums[l]: of each row with the run of `rows[l]` that begins at `from`.
  void multiply(const TileRow* const rows[TILE_LANES], int64_t from, int count, Sum sums[TILE_LANES][VECTORS]) const {
    const int16_t* words[TILE_LANES];
    for (int l = 0; l < TILE_LANES; l++) words[l] = rows[l]->words + from;
    cross(fours, count, words, sums);
    for (int l = 0; l < TILE_LANES; l++) {
      const TileRow::Run& run = rows[l]->runs[from / RUN];
      const Sum known = _mm512_set1_epi32(run.pairs);
      for (int v = 0; v < VECTORS; v++) sums[l][v] = _mm512_sub_epi32(sums[l][v], _mm512_add_epi32(known, pairs[v]));
      const TileRow::Large* large = rows[l]->large + from;
      for (int i = 0; i < run.large; i++) {
        const Four& four = fours[large[i].place / 4];
        // It is the first or the second of its two even or odd elements.
        const __m512i value = _mm512_set1_epi32(large[i].place % 4 < 2 ? uint16_t(large[i].value) : int32_t(large[i].value) * 65536);
        for (int v = 0; v < VECTORS; v++)
          sums[l][v] = add_dot(sums[l][v], value, large[i].place % 2 == 0 ? four.even[v] : four.odd[v]);
      }
    }
  }
};

// Widens the sums of a tile, or adds them to those of other runs.
static inline void add_sums(int64_t* to, const Sum sums[VECTORS], bool add) {
  for (int i = 0; i < TILE_ROWS; i += 8) {
    const __m512i x = _mm512_cvtepi32_epi64(i % 16 == 0 ? _mm512_castsi512_si256(sums[i / 16]) : _mm512_extracti64x4_epi64(sums[i / 16], 1));
    _mm512_store_si512(to + i, add ? _mm512_add_epi64(x, _mm512_load_si512(to + i)) : x);
  }
}

// Elements `first .. last - 1` of all lanes: calls `put(lane, e, count, sums)` with each lane's sums of some tiles.
template <typename Put>
static void multiply_tiles(const int8_t* weights, int64_t size, const std::vector<TileRow>& rows, int first, int last, Put put) {
  struct alignas(64) Sums {
    int64_t of[4 * TILE_ROWS];
  };
  thread_local WeightTile tile;
  thread_local std::vector<Sums> all;
  const int lanes = int(rows.size());
  all.resize(lanes);
  for (int begin = first; begin < last; begin += 4 * TILE_ROWS) {
    const int end = std::min(begin + 4 * TILE_ROWS, last);
    for (int e = begin; e < end; e += TILE_ROWS) {
      const int8_t* w = weights + e * size;
      // What comes next is fetched while this tile is in use: processors do not see it coming.
      const int8_t* ahead = w + TILE_ROWS * size;
      const int8_t* const known = weights + std::min(e + 2 * TILE_ROWS, last) * size;
      for (int64_t from = 0; from < size; from += RUN) {
        const int length = int(std::min<int64_t>(RUN, size - from));
        tile.fill(w + from, size, std::min(TILE_ROWS, end - e), length);
        for (int lane = 0; lane < lanes; lane += TILE_LANES) {
          const int8_t* const part = ahead + TILE_ROWS * length * TILE_LANES / lanes;
          for (; ahead < part && ahead < known; ahead += 64) _mm_prefetch(ahead, _MM_HINT_T0);
          // Lanes that are missing are the last one again.
          const TileRow* group[TILE_LANES];
          for (int l = 0; l < TILE_LANES; l++) group[l] = &rows[std::min(lane + l, lanes - 1)];
          Sum sums[TILE_LANES][VECTORS];
          tile.multiply(group, from, length, sums);
          for (int l = 0; l < TILE_LANES && lane + l < lanes; l++) add_sums(all[lane + l].of + (e - begin), sums[l], from > 0);
        }
      }
    }
    for (int lane = 0; lane < lanes; lane++) put(lane, begin, end - begin, all[lane].of);
  }
}

#endif
