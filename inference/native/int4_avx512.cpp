// Products for processors with AVX-512 VNNI. Few rows, as in decoding, wait for the memory: the weights go by once, as
// they lie in the file, three rows of values or four at a time. Many rows, as in reading a prompt, wait for the
// arithmetic: 32 columns of the matrix come into the order that the instruction for four products at once (VPDPBUSD)
// wants, and all rows go over them. No weight is kept in another order, so that all stay in the file's own pages and a
// model is there as soon as its file is mapped.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <type_traits>

#include "int4_matmul.hpp"
#include "scales.hpp"

#define TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
#define WIDE __attribute__((target(TARGET)))
#define INLINE __attribute__((target(TARGET), always_inline)) inline

namespace larimar {
namespace {

constexpr std::size_t kGroup = 4;  // blocks

// 128 values of a row: those at even places, those at odd ones, and for each block −8 times their sum (once in four
// lanes) and their scale (in all four).
struct alignas(64) Group {
  std::int8_t even[64];
  std::int8_t odd[64];
  std::int32_t start[16];
  float scale[16];
};

template <typename Scale>
struct Matrix {
  const std::uint8_t* weights;
  const Scale* scales;  // [n][k / 32]
  std::size_t n;
  std::size_t blocks;
};

// The first four scales, or those of them that the mask says.
INLINE __m128 load_scales(const float* scales, __mmask8 mask) { return _mm_maskz_loadu_ps(mask, scales); }
INLINE __m128 load_scales(const BFloat16* scales, __mmask8 mask) {
  return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(_mm_maskz_loadu_epi16(mask, scales)), 16));
}
INLINE __m128 load_scales(const Float16* scales, __mmask8 mask) {
  return _mm_cvtph_ps(_mm_maskz_loadu_epi16(mask, scales));
}

// Scales of 16 rows, at the places given. Short ones come with what lies behind each.
INLINE __m512 gather_scales(const float* scales, __m512i places) { return _mm512_i32gather_ps(places, scales, 4); }
INLINE __m512 gather_scales(const BFloat16* scales, __m512i places) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_i32gather_epi32(places, scales, 2), 16));
}
INLINE __m512 gather_scales(const Float16* scales, __m512i places) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_i32gather_epi32(places, scales, 2)));
}

WIDE void round_row(const float* row, std::size_t k, Group* groups) {
  alignas(64) float last[kBlock] = {};
  for (std::size_t block = 0; block * kBlock < k; ++block) {
    const float* from = row + block * kBlock;
    if (k - block * kBlock < kBlock) from = std::copy_n(from, k - block * kBlock, last) - (k - block * kBlock);
    Group& group = groups[block / kGroup];
    const std::size_t place = block % kGroup;
    const __m512 low = _mm512_loadu_ps(from), high = _mm512_loadu_ps(from + 16);
    // amounts order as their bits do, what is no number above all
    const __m512i amounts =
        _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(low)), _mm512_castps_si512(_mm512_abs_ps(high)));
    const std::int32_t bits = _mm512_reduce_max_epi32(amounts);
    float most;
    std::memcpy(&most, &bits, 4);
    const bool whole = most >= kSmallest && most <= kLargest;
    const float scale = whole ? most / 127.0f : most < kSmallest ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    const __m512 inverse = _mm512_set1_ps(whole ? 127.0f / most : 0.0f);
    const __mmask16 kept = whole ? 0xffff : 0;
    const __m512i a = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(low, inverse));
    const __m512i b = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(high, inverse));
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    _mm_store_si128(reinterpret_cast<__m128i*>(group.even + 16 * place),
                    _mm512_cvtepi32_epi8(_mm512_permutex2var_epi32(a, evens, b)));
    _mm_store_si128(reinterpret_cast<__m128i*>(group.odd + 16 * place),
                    _mm512_cvtepi32_epi8(_mm512_permutex2var_epi32(a, odds, b)));
    const int sum = _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
    for (std::size_t lane = 0; lane < 4; ++lane) {
      group.start[4 * place + lane] = lane ? 0 : -8 * sum;
      group.scale[4 * place + lane] = scale;
    }
  }
}

// ---- few rows: the weights are read once, in the order of the file

// The processor foresees what it will need up to the end of a page. A prefetch beyond the matrix does nothing.
constexpr std::size_t kPage = 4096;

// R columns of the product, apart by a distance, for M rows.
template <int M, int R, typename Scale>
WIDE inline void columns(const Matrix<Scale>& matrix, const Group* rows, std::size_t groups, float* product,
                         std::size_t first, std::size_t distance) {
  const __m512i halves = _mm512_set1_epi8(15);
  const __m512i spread = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  constexpr std::size_t kScalesLine = 64 / (kGroup * sizeof(Scale));  // groups whose scales share a line of memory
  const std::size_t blocks = matrix.blocks, whole = blocks / kGroup, rest = blocks % kGroup;
  const std::uint8_t* weights[R];
  const Scale* scales[R];
  __m512 sums[M][R];
  for (int r = 0; r < R; ++r) {
    weights[r] = matrix.weights + (first + r * distance) * blocks * 16;
    scales[r] = matrix.scales + (first + r * distance) * blocks;
    for (int m = 0; m < M; ++m) sums[m][r] = _mm512_setzero_ps();
  }
  const auto add = [&](std::size_t group, __mmask16 words, __mmask8 places) WIDE {
    __m512i even[R], odd[R];
    __m512 scale[R];
    for (int r = 0; r < R; ++r) {
      _mm_prefetch(reinterpret_cast<const char*>(weights[r]) + 64 * group + kPage, _MM_HINT_T0);
      if (group % kScalesLine == 0) {
        _mm_prefetch(reinterpret_cast<const char*>(scales[r] + kGroup * group) + kPage, _MM_HINT_T0);
      }
      const __m512i both = _mm512_maskz_loadu_epi32(words, weights[r] + 64 * group);
      even[r] = _mm512_and_si512(both, halves);
      odd[r] = _mm512_and_si512(_mm512_srli_epi16(both, 4), halves);
      const __m128 four = load_scales(scales[r] + kGroup * group, places);
      scale[r] = _mm512_permutexvar_ps(spread, _mm512_castps128_ps512(four));
    }
    for (int m = 0; m < M; ++m) {
      const Group& row = rows[m * groups + group];
      for (int r = 0; r < R; ++r) {
        __m512i dots = _mm512_load_si512(row.start);
        dots = _mm512_dpbusd_epi32(dots, even[r], _mm512_load_si512(row.even));
        dots = _mm512_dpbusd_epi32(dots, odd[r], _mm512_load_si512(row.odd));
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), _mm512_load_ps(row.scale));
        sums[m][r] = _mm512_fmadd_ps(scaled, scale[r], sums[m][r]);
      }
    }
  };
  for (std::size_t group = 0; group < whole; ++group) add(group, 0xffff, 0xf);
  if (rest) add(whole, static_cast<__mmask16>((1u << 4 * rest) - 1), static_cast<__mmask8>((1u << rest) - 1));
  for (int m = 0; m < M; ++m) {
    for (int r = 0; r < R; ++r) product[m * matrix.n + first + r * distance] = _mm512_reduce_add_ps(sums[m][r]);
  }
}

// Two columns at once share what is loaded of the rows. Each of the two goes through memory from end to end: the
// processor foresees two such streams, but not one that jumps from row to row of the matrix.
template <int M, typename Scale>
WIDE void few_rows(const Matrix<Scale>& matrix, const Group* rows, std::size_t groups, float* product,
                   std::size_t begin, std::size_t end) {
  constexpr int kStreams = M < 4 ? 2 : 1;  // more do not fit into the registers
  const std::size_t distance = (end - begin) / kStreams;
  for (std::size_t n = begin; n < begin + distance; ++n) {
    columns<M, kStreams>(matrix, rows, groups, product, n, distance);
  }
  for (std::size_t n = begin + kStreams * distance; n < end; ++n) columns<M, 1>(matrix, rows, groups, product, n, 0);
}

constexpr std::size_t kNear = 3 << 14;  // bytes of the nearest cache, which the rows of one pass should fit into
constexpr std::size_t kPart = 1 << 17;  // bytes of the matrix

// ---- many rows: tiles of the matrix are brought into the order of the instruction first

constexpr std::size_t kTile = 32;  // columns of the product
constexpr std::size_t kRows = 6;
constexpr std::size_t kJobs = 16;

// Unpacks 16 rows of the matrix to one byte a weight, [block][8][16 rows][4], and their scales, [block][16 rows]. What
// belongs to a block lies as far from the next as in a whole tile, which has two of them.
template <typename Scale>
WIDE void unpack(const Matrix<Scale>& matrix, std::size_t n, std::uint8_t* weights, float* scales) {
  const std::size_t blocks = matrix.blocks;
  const __m512i halves = _mm512_set1_epi8(15);
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
  const std::uint8_t* source = matrix.weights + n * blocks * 16;
  const __m512i rows = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                          _mm512_set1_epi32(static_cast<int>(blocks)));
  for (std::size_t block = 0; block < blocks; ++block) {
    __m512i four[4];
    for (std::size_t each = 0; each < 4; ++each) {
      const auto row = [&](std::size_t which) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + ((4 * each + which) * blocks + block) * 16));
      };
      four[each] = _mm512_inserti32x4(
          _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(row(0)), row(1), 1), row(2), 2), row(3), 3);
    }
    for (int step = 0; step < 4; ++step) {
      const __m512i index = _mm512_add_epi32(first, _mm512_set1_epi32(step));
      const __m512i low = _mm512_permutex2var_epi32(four[0], index, four[1]);
      const __m512i high = _mm512_permutex2var_epi32(four[2], index, four[3]);
      const __m512i both = _mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1);
      _mm512_store_si512(weights + block * 1024 + 64 * step, _mm512_and_si512(both, halves));
      _mm512_store_si512(weights + block * 1024 + 64 * (4 + step),
                         _mm512_and_si512(_mm512_srli_epi16(both, 4), halves));
    }
    _mm512_store_ps(scales + block * kTile, gather_scales(matrix.scales + n * blocks + block, rows));
  }
}

// One tile: kTile columns of the product, M rows.
template <int M>
WIDE void tile(const std::uint8_t* weights, const float* scales, std::size_t blocks, const Group* rows,
               std::size_t groups, float* product, std::size_t n) {
  __m512 sums[M][2];
  for (int m = 0; m < M; ++m) sums[m][0] = sums[m][1] = _mm512_setzero_ps();
  for (std::size_t block = 0; block < blocks; ++block) {
    const Group* group = rows + block / kGroup;
    const std::size_t place = block % kGroup;
    __m512i dots[M][2];
    for (int m = 0; m < M; ++m) dots[m][0] = dots[m][1] = _mm512_set1_epi32(group[m * groups].start[4 * place]);
    const std::uint8_t* here = weights + block * 1024;
#pragma GCC unroll 8
    for (int step = 0; step < 8; ++step) {
      const __m512i left = _mm512_load_si512(here + 64 * step), right = _mm512_load_si512(here + 512 + 64 * step);
      for (int m = 0; m < M; ++m) {
        const Group& row = group[m * groups];
        const std::int8_t* bytes = (step < 4 ? row.even : row.odd) + 16 * place + 4 * (step % 4);
        std::int32_t four;
        std::memcpy(&four, bytes, 4);
        const __m512i values = _mm512_set1_epi32(four);
        dots[m][0] = _mm512_dpbusd_epi32(dots[m][0], left, values);
        dots[m][1] = _mm512_dpbusd_epi32(dots[m][1], right, values);
      }
    }
    const __m512 left = _mm512_load_ps(scales + block * 32), right = _mm512_load_ps(scales + block * 32 + 16);
    for (int m = 0; m < M; ++m) {
      const __m512 scale = _mm512_set1_ps(group[m * groups].scale[4 * place]);
      sums[m][0] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dots[m][0]), scale), left, sums[m][0]);
      sums[m][1] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dots[m][1]), scale), right, sums[m][1]);
    }
  }
  for (int m = 0; m < M; ++m) {
    _mm512_storeu_ps(product + m * n, sums[m][0]);
    _mm512_storeu_ps(product + m * n + 16, sums[m][1]);
  }
}

using Tile = void (*)(const std::uint8_t*, const float*, std::size_t, const Group*, std::size_t, float*, std::size_t);
constexpr Tile kTiles[] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

template <typename Scale>
class Product final : public Int4Product {
 public:
  explicit Product(const Int4Matrix& matrix)
      : matrix_{matrix.weights, nullptr, matrix.n, matrix.blocks()}, k_(matrix.k) {
    if constexpr (std::is_same_v<Scale, float>) {
      matrix_.scales = matrix.scales;
    } else {
      const std::size_t count = matrix_.n * matrix_.blocks;
      scales_ = Aligned<Scale>(count);
      for (std::size_t each = 0; each < count; ++each) shorten(matrix.scales[each], scales_.data[each]);
      matrix_.scales = scales_.data;
    }
  }

  void multiply(const float* rows, std::size_t m, float* product, const ParallelFor& parallel) const override {
    const std::size_t n = matrix_.n, blocks = matrix_.blocks, groups = (blocks + kGroup - 1) / kGroup;
    const Aligned<Group> rounded(m * groups);
    const auto round = [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        std::memset(rounded.data + row * groups + groups - 1, 0, sizeof(Group));
        round_row(rows + row * k_, k_, rounded.data + row * groups);
      }
    };
    const auto few = [&](std::size_t begin, std::size_t end) {
      static constexpr void (*kFunctions[])(const Matrix<Scale>&, const Group*, std::size_t, float*, std::size_t,
                                            std::size_t) = {few_rows<1>, few_rows<2>, few_rows<3>, few_rows<4>};
      const std::size_t most = 4 * groups * sizeof(Group) <= kNear ? 4 : 3, passes = (m + most - 1) / most;
      for (std::size_t pass = 0; pass < passes; ++pass) {  // of about as many rows each
        const std::size_t row = m * pass / passes, count = m * (pass + 1) / passes - row;
        kFunctions[count - 1](matrix_, rounded.data + row * groups, groups, product + row * n, begin, end);
      }
    };
    if (m <= kFewRows) {
      round(0, m);
      const std::size_t row = blocks * (16 + sizeof(Scale));  // bytes
      const std::size_t jobs = std::clamp<std::size_t>(n * row / kPart, 1, kJobs);
      // what four rows have gone over is still in the cache for the next four
      const std::size_t part = m > 3 ? std::max<std::size_t>(1, kPart / row) : n;
      parallel(jobs, [&](std::size_t job) {
        const std::size_t end = n * (job + 1) / jobs;
        for (std::size_t begin = n * job / jobs; begin < end; begin += part) few(begin, std::min(end, begin + part));
      });
      return;
    }
    parallel((m + kFewRows - 1) / kFewRows,
             [&](std::size_t part) { round(part * kFewRows, std::min(m, (part + 1) * kFewRows)); });
    const std::size_t tiles = n / kTile, jobs = std::min(tiles, kJobs);
    const Aligned<std::uint8_t> weights(jobs * blocks * 1024);
    const Aligned<float> scales(jobs * blocks * kTile);
    parallel(jobs, [&](std::size_t job) {
      std::uint8_t* own = weights.data + job * blocks * 1024;
      float* own_scales = scales.data + job * blocks * kTile;
      for (std::size_t index = tiles * job / jobs; index < tiles * (job + 1) / jobs; ++index) {
        for (std::size_t half = 0; half < 2; ++half) {
          unpack(matrix_, index * kTile + 16 * half, own + 512 * half, own_scales + 16 * half);
        }
        for (std::size_t row = 0; row < m; row += kRows) {
          kTiles[std::min(kRows, m - row) - 1](own, own_scales, blocks, rounded.data + row * groups, groups,
                                               product + row * n + index * kTile, n);
        }
      }
    });
    few(tiles * kTile, n);  // columns that do not fill a tile
  }

 private:
  Matrix<Scale> matrix_;
  std::size_t k_;
  Aligned<Scale> scales_;  // none where those of the file are read
};

}  // namespace

bool avx512_runs_here() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("f16c");
}

std::unique_ptr<Int4Product> make_avx512(const Int4Matrix& matrix) { return make_with_shortest<Product>(matrix); }

}  // namespace larimar
