// Products for processors with AVX2 and FMA. Eight columns of the product share a register, so that nothing has to be
// added up across one. Packed weights lie in that order, one stream in large pages; those in the file come into it 256 at
// a time on the way from memory, which costs less than the one instruction for a sum across. Few rows, as in decoding, go
// over the weights once, up to six at a time; many, as in reading a prompt, over tiles of 16 columns that are unpacked to
// bytes first.
//
// VPMADDUBSW adds two products to 16 bits: eight times 2 · 15 · 127 stay below 2¹⁵.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

#include "int4_matmul.hpp"
#include "large_memory.hpp"
#include "scales.hpp"

#define WIDE __attribute__((target("avx2,fma,f16c")))
#define INLINE __attribute__((target("avx2,fma,f16c"), always_inline)) inline

namespace larimar {
namespace {

constexpr std::size_t kColumns = 8;  // of a register
constexpr std::size_t kTile = 16;    // columns
constexpr std::size_t kGroupBlock = kColumns * 16;  // bytes of a block of all columns of a register
constexpr std::size_t kAhead = 4096;                // bytes
constexpr std::size_t kJobs = 64;
constexpr std::size_t kTileJobs = 16;
constexpr std::size_t kPart = 1 << 15;  // bytes of the matrix

// 32 values of a row: those at even places, those at odd ones, −8 times their sum, and their scale.
struct Block {
  std::int8_t even[16];
  std::int8_t odd[16];
  std::int32_t start;
  float scale;
};

WIDE void round_row(const float* row, std::size_t k, Block* rounded) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  // from the order that two rounds of packing leave, and to places apart
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m128i evens_first = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  const __m256i apart = _mm256_broadcastsi128_si256(evens_first);
  alignas(32) float last[kBlock] = {};
  for (std::size_t block = 0; block * kBlock < k; ++block) {
    const float* from = row + block * kBlock;
    if (k - block * kBlock < kBlock) from = std::copy_n(from, k - block * kBlock, last) - (k - block * kBlock);
    __m256 values[4];
    __m256i largest = _mm256_setzero_si256();  // amounts order as their bits do, what is no number above all
    for (std::size_t each = 0; each < 4; ++each) {
      values[each] = _mm256_loadu_ps(from + 8 * each);
      largest = _mm256_max_epi32(largest, _mm256_castps_si256(_mm256_andnot_ps(sign, values[each])));
    }
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    const float most = _mm_cvtss_f32(_mm_castsi128_ps(four));
    if (!(most >= kSmallest && most <= kLargest)) {
      rounded[block] = {{}, {}, 0, most < kSmallest ? 0.0f : std::numeric_limits<float>::quiet_NaN()};
      continue;
    }
    const __m256 inverse = _mm256_set1_ps(127.0f / most);
    __m256i whole[4];
    for (std::size_t each = 0; each < 4; ++each) whole[each] = _mm256_cvtps_epi32(_mm256_mul_ps(values[each], inverse));
    const __m256i all = _mm256_add_epi32(_mm256_add_epi32(whole[0], whole[1]), _mm256_add_epi32(whole[2], whole[3]));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(packed, order), apart);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rounded[block].even), _mm256_permute4x64_epi64(bytes, 0xd8));
    rounded[block].start = -8 * _mm_cvtsi128_si32(sum);
    rounded[block].scale = most / 127.0f;
  }
}

// Four bytes of a row in every place of a register.
INLINE __m256i everywhere(const std::int8_t* bytes) {
  std::int32_t four;
  std::memcpy(&four, bytes, 4);
  return _mm256_set1_epi32(four);
}

// Scales of eight columns.
INLINE __m256 load_scales(const float* scales) { return _mm256_loadu_ps(scales); }
INLINE __m256 load_scales(const BFloat16* scales) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
INLINE __m256 load_scales(const Float16* scales) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
}

// What the 16-bit sums of a block add to the product.
INLINE __m256 add_block(__m256i sums, const Block& row, __m256 scales, __m256 product) {
  const __m256i dots = _mm256_add_epi32(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)), _mm256_set1_epi32(row.start));
  const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dots), _mm256_set1_ps(row.scale));
  return _mm256_fmadd_ps(scaled, scales, product);
}

// A block of eight columns, [column % 4], the later four in the upper halves.
struct Pairs {
  __m256i both[4];
};

INLINE Pairs load_pairs(const std::uint8_t* weights, std::size_t row) {
  const auto load = [&](std::size_t which) __attribute__((always_inline)) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + which * row));
  };
  Pairs pairs;
  for (std::size_t each = 0; each < 4; ++each) {
    pairs.both[each] = _mm256_inserti128_si256(_mm256_castsi128_si256(load(each)), load(each + 4), 1);
  }
  return pairs;
}

// Brings a block into the order of the registers: four bytes of each column in each.
INLINE void transpose(const Pairs& pairs, __m256i (&four)[4]) {
  const __m256i *both = pairs.both;
  const __m256i low_01 = _mm256_unpacklo_epi32(both[0], both[1]), low_23 = _mm256_unpacklo_epi32(both[2], both[3]);
  const __m256i high_01 = _mm256_unpackhi_epi32(both[0], both[1]), high_23 = _mm256_unpackhi_epi32(both[2], both[3]);
  four[0] = _mm256_unpacklo_epi64(low_01, low_23);
  four[1] = _mm256_unpackhi_epi64(low_01, low_23);
  four[2] = _mm256_unpacklo_epi64(high_01, high_23);
  four[3] = _mm256_unpackhi_epi64(high_01, high_23);
}

// What a block of eight columns adds to the product for M rows; the rows' blocks lie `stride` apart.
template <int M>
INLINE void add_blocks(const __m256i (&four)[4], const Block* rows, std::size_t stride, __m256 scale,
                       __m256 (&product)[M]) {
  const __m256i halves = _mm256_set1_epi8(15);
  __m256i sums[M];
#pragma GCC unroll 4
  for (int step = 0; step < 4; ++step) {
    const __m256i even = _mm256_and_si256(four[step], halves);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi16(four[step], 4), halves);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      const Block& row = rows[m * stride];
      const __m256i both = _mm256_add_epi16(_mm256_maddubs_epi16(even, everywhere(row.even + 4 * step)),
                                            _mm256_maddubs_epi16(odd, everywhere(row.odd + 4 * step)));
      sums[m] = step ? _mm256_add_epi16(sums[m], both) : both;
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) product[m] = add_block(sums[m], rows[m * stride], scale, product[m]);
}

INLINE void load_packed(const std::uint8_t* weights, __m256i (&four)[4]) {
#pragma GCC unroll 4
  for (int step = 0; step < 4; ++step) four[step] = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights) + step);
}

// Eight columns of the product for M rows; the rows' blocks lie one row after the other.
template <int M, typename Scale>
WIDE void packed_columns(const std::uint8_t* weights, const Scale* scales, std::size_t blocks, const Block* rows,
                         __m256 (&result)[M]) {
  __m256 product[M];
  for (int m = 0; m < M; ++m) product[m] = _mm256_setzero_ps();
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::uint8_t* here = weights + block * kGroupBlock;
    _mm_prefetch(reinterpret_cast<const char*>(here) + kAhead, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(here) + kAhead + 64, _MM_HINT_T0);
    if (block % 2 == 0) {
      _mm_prefetch(reinterpret_cast<const char*>(scales + kColumns * block) + 1024, _MM_HINT_T0);
    }
    __m256i four[4];
    load_packed(here, four);
    add_blocks<M>(four, rows + block, blocks, load_scales(scales + kColumns * block), product);
  }
  for (int m = 0; m < M; ++m) result[m] = product[m];
}

// The same from weights as they lie in the file.
template <int M, typename Scale>
WIDE void columns(const std::uint8_t* weights, const Scale* scales, std::size_t blocks, const Block* rows,
                  __m256 (&result)[M]) {
  __m256 product[M];
  for (int m = 0; m < M; ++m) product[m] = _mm256_setzero_ps();
  Pairs pairs = load_pairs(weights, blocks * 16);
  for (std::size_t block = 0; block < blocks; ++block) {
    // The next eight columns, in the order of memory: the processor itself foresees no eight streams.
    const char* next = reinterpret_cast<const char*>(weights) + (blocks + block) * kGroupBlock;
    _mm_prefetch(next, _MM_HINT_T0);
    _mm_prefetch(next + 64, _MM_HINT_T0);
    if (block % 2 == 0) {
      _mm_prefetch(reinterpret_cast<const char*>(scales + kColumns * block) + 1024, _MM_HINT_T0);
    }
    __m256i four[4];
    transpose(pairs, four);
    pairs = load_pairs(weights + std::min(block + 1, blocks - 1) * 16, blocks * 16);  // in time for the next round
    add_blocks<M>(four, rows + block, blocks, load_scales(scales + kColumns * block), product);
  }
  for (int m = 0; m < M; ++m) result[m] = product[m];
}

// One tile of the product, kTile columns for M rows, from weights as [block][8 steps][kTile columns][4].
template <int M>
WIDE void tile(const std::uint8_t* weights, const float* scales, std::size_t blocks, const Block* rows, float* product,
               std::size_t n) {
  __m256 result[M][2];
  for (int m = 0; m < M; ++m) result[m][0] = result[m][1] = _mm256_setzero_ps();
  for (std::size_t block = 0; block < blocks; ++block) {
    __m256i sums[M][2];
#pragma GCC unroll 8
    for (int step = 0; step < 8; ++step) {
      const auto* here = reinterpret_cast<const __m256i*>(weights + (block * 8 + step) * 4 * kTile);
      const __m256i left = _mm256_load_si256(here), right = _mm256_load_si256(here + 1);
      for (int m = 0; m < M; ++m) {
        const Block& row = rows[m * blocks + block];
        const __m256i values = everywhere((step % 2 ? row.odd : row.even) + 4 * (step / 2));
        const __m256i products[2] = {_mm256_maddubs_epi16(left, values), _mm256_maddubs_epi16(right, values)};
        for (int half = 0; half < 2; ++half) {
          sums[m][half] = step ? _mm256_add_epi16(sums[m][half], products[half]) : products[half];
        }
      }
    }
    for (int half = 0; half < 2; ++half) {
      const __m256 scale = _mm256_load_ps(scales + block * kTile + kColumns * half);
      for (int m = 0; m < M; ++m) {
        result[m][half] = add_block(sums[m][half], rows[m * blocks + block], scale, result[m][half]);
      }
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int half = 0; half < 2; ++half) _mm256_storeu_ps(product + m * n + kColumns * half, result[m][half]);
  }
}

using Tile = void (*)(const std::uint8_t*, const float*, std::size_t, const Block*, float*, std::size_t);
constexpr Tile kTiles[] = {tile<1>, tile<2>, tile<3>, tile<4>};
constexpr std::size_t kTileRows = std::size(kTiles);

// Brings a group of eight columns into the order of packed weights, [block][4 steps][8 columns][4].
WIDE void pack_group(const std::uint8_t* weights, std::size_t blocks, std::uint8_t* packed) {
  for (std::size_t block = 0; block < blocks; ++block) {
    __m256i four[4];
    transpose(load_pairs(weights + block * 16, blocks * 16), four);
    auto* to = reinterpret_cast<__m256i*>(packed + block * kGroupBlock);
    // past the caches, which are not large enough for them
    for (int step = 0; step < 4; ++step) _mm256_stream_si256(to + step, four[step]);
  }
  _mm_sfence();
}

// Unpacks a group of a tile to one byte a weight, and its scales to float32, [block][kTile].
template <bool kPacked, typename Scale>
WIDE void unpack(const std::uint8_t* weights, const Scale* scales, std::size_t blocks, std::uint8_t* unpacked,
                 float* wide_scales) {
  const __m256i halves = _mm256_set1_epi8(15);
  for (std::size_t block = 0; block < blocks; ++block) {
    __m256i four[4];
    if constexpr (kPacked) {
      load_packed(weights + block * kGroupBlock, four);
    } else {
      transpose(load_pairs(weights + block * 16, blocks * 16), four);
    }
    for (std::size_t step = 0; step < 4; ++step) {
      auto* to = reinterpret_cast<__m256i*>(unpacked + (block * 8 + 2 * step) * 4 * kTile);
      _mm256_store_si256(to, _mm256_and_si256(four[step], halves));
      _mm256_store_si256(to + 2, _mm256_and_si256(_mm256_srli_epi16(four[step], 4), halves));
    }
    _mm256_store_ps(wide_scales + block * kTile, load_scales(scales + block * kColumns));
  }
}

template <typename Scale>
class Product final : public Int4Product {
 public:
  explicit Product(const Int4Matrix& matrix)
      : weights_(matrix.weights),
        n_(matrix.n),
        k_(matrix.k),
        blocks_(matrix.blocks()),
        groups_((n_ + kColumns - 1) / kColumns),
        scales_(LargePiece::take(groups_ * kColumns * blocks_ * sizeof(Scale))),
        rest_(n_ % kColumns ? blocks_ * kGroupBlock : 0) {
    const std::size_t rest = n_ % kColumns, first = n_ - rest;
    std::memset(rest_.data, 0, rest ? blocks_ * kGroupBlock : 0);
    std::memcpy(rest_.data, weights_ + first * blocks_ * 16, rest * blocks_ * 16);
    for (std::size_t column = 0; column < n_; column += kColumns) {
      const float* from = matrix.scales + column * blocks_;
      Scale* to = reinterpret_cast<Scale*>(scales_.data) + column * blocks_;
      if (column + kColumns <= n_) {
        shorten_columns(from, to);
      } else {
        const Aligned<float> filled(kColumns * blocks_);
        std::memset(filled.data, 0, kColumns * blocks_ * sizeof(float));
        std::memcpy(filled.data, from, rest * blocks_ * sizeof(float));
        shorten_columns(filled.data, to);
      }
    }
  }

  void pack(const ParallelFor& parallel) override {
    const std::size_t bytes = groups_ * blocks_ * kGroupBlock;
    LargePiece piece = LargePiece::take(bytes);
    const std::size_t jobs = std::min(groups_, std::clamp<std::size_t>(bytes / kPart, 1, kJobs));
    parallel(jobs, [&](std::size_t job) {
      for (std::size_t group = groups_ * job / jobs; group < groups_ * (job + 1) / jobs; ++group) {
        pack_group(weights_of<false>(group), blocks_, piece.data + group * blocks_ * kGroupBlock);
      }
    });
    packed_ = std::move(piece);
    rest_ = Aligned<std::uint8_t>();
  }

  void multiply(const float* rows, std::size_t m, float* product, const ParallelFor& parallel) const override {
    const Aligned<Block> rounded(m * blocks_);
    const auto round = [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        round_row(rows + row * k_, k_, rounded.data + row * blocks_);
      }
    };
    if (m <= kFewRows) {
      round(0, m);
      const std::size_t bytes = n_ * blocks_ * (16 + sizeof(Scale));
      const std::size_t jobs = std::min(groups_, std::clamp<std::size_t>(bytes / kPart, 1, kJobs));
      parallel(jobs, [&](std::size_t job) {
        for (std::size_t group = groups_ * job / jobs; group < groups_ * (job + 1) / jobs; ++group) {
          few(rounded.data, m, group, product);
        }
      });
      return;
    }
    parallel((m + kFewRows - 1) / kFewRows,
             [&](std::size_t part) { round(part * kFewRows, std::min(m, (part + 1) * kFewRows)); });
    const std::size_t tiles = n_ / kTile, jobs = std::min(tiles, kTileJobs);
    const Aligned<std::uint8_t> unpacked(jobs * blocks_ * kBlock * kTile);
    const Aligned<float> wide_scales(jobs * blocks_ * kTile);
    parallel(jobs, [&](std::size_t job) {
      std::uint8_t* own = unpacked.data + job * blocks_ * kBlock * kTile;
      float* own_scales = wide_scales.data + job * blocks_ * kTile;
      for (std::size_t index = tiles * job / jobs; index < tiles * (job + 1) / jobs; ++index) {
        for (std::size_t half = 0; half < kTile / kColumns; ++half) {
          const std::size_t group = index * (kTile / kColumns) + half;
          std::uint8_t* to = own + half * kColumns * 4;
          float* to_scales = own_scales + half * kColumns;
          if (packed_.data != nullptr) {
            unpack<true>(weights_of<true>(group), scales_of(group), blocks_, to, to_scales);
          } else {
            unpack<false>(weights_of<false>(group), scales_of(group), blocks_, to, to_scales);
          }
        }
        for (std::size_t row = 0; row < m; row += kTileRows) {
          kTiles[std::min(kTileRows, m - row) - 1](own, own_scales, blocks_, rounded.data + row * blocks_,
                                                   product + row * n_ + index * kTile, n_);
        }
      }
    });
    for (std::size_t group = tiles * kTile / kColumns; group < groups_; ++group) few(rounded.data, m, group, product);
  }

 private:
  // Brings the scales of eight columns together, [8][block] to [block][8].
  WIDE void shorten_columns(const float* from, Scale* to) const {
    for (std::size_t block = 0; block < blocks_; ++block) {
#pragma GCC unroll 8
      for (std::size_t each = 0; each < kColumns; ++each) {
        shorten(from[each * blocks_ + block], to[block * kColumns + each]);
      }
    }
  }

  static constexpr std::size_t kPass = 6;  // rows; more do not fit into the registers

  template <bool kPacked>
  const std::uint8_t* weights_of(std::size_t group) const {
    if constexpr (kPacked) return packed_.data + group * blocks_ * kGroupBlock;
    return (group + 1) * kColumns <= n_ ? weights_ + group * blocks_ * kGroupBlock : rest_.data;
  }

  const Scale* scales_of(std::size_t group) const {
    return reinterpret_cast<const Scale*>(scales_.data) + group * kColumns * blocks_;
  }

  // One group of columns for all rows, in passes of about as many rows each.
  void few(const Block* rows, std::size_t m, std::size_t group, float* product) const {
    static constexpr void (Product::*kFunctions[])(const Block*, std::size_t, float*) const = {
        &Product::pass<1>, &Product::pass<2>, &Product::pass<3>,
        &Product::pass<4>, &Product::pass<5>, &Product::pass<6>,
    };
    const std::size_t passes = (m + kPass - 1) / kPass;
    for (std::size_t pass = 0; pass < passes; ++pass) {
      const std::size_t row = m * pass / passes, count = m * (pass + 1) / passes - row;
      (this->*kFunctions[count - 1])(rows + row * blocks_, group, product + row * n_);
    }
  }

  template <int M>
  WIDE void pass(const Block* rows, std::size_t group, float* product) const {
    __m256 result[M];
    if (packed_.data != nullptr) {
      packed_columns<M>(weights_of<true>(group), scales_of(group), blocks_, rows, result);
    } else {
      columns<M>(weights_of<false>(group), scales_of(group), blocks_, rows, result);
    }
    const std::size_t column = group * kColumns, count = std::min(kColumns, n_ - column);
    for (int m = 0; m < M; ++m) {
      float* to = product + m * n_ + column;
      if (count == kColumns) {
        _mm256_storeu_ps(to, result[m]);
      } else {
        alignas(32) float values[kColumns];
        _mm256_store_ps(values, result[m]);
        std::copy_n(values, count, to);
      }
    }
  }

  const std::uint8_t* weights_;  // as in the file
  std::size_t n_;
  std::size_t k_;
  std::size_t blocks_;
  std::size_t groups_;          // of columns
  LargePiece scales_;           // [n / 8][block][8]
  Aligned<std::uint8_t> rest_;  // weights of columns that do not fill a register, filled up
  LargePiece packed_;           // [n / 8][block][4 steps][8 columns][4]; null while they are read from the file
};

}  // namespace

bool avx2_runs_here() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

std::unique_ptr<Int4Product> make_avx2(const Int4Matrix& matrix) { return make_with_shortest<Product>(matrix); }

}  // namespace larimar
