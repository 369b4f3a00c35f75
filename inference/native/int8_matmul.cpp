// Four registers hold 32 columns of the product, so that nothing has to be added up across one. For few rows, weights
// become numbers on the way from memory, and meet three rows at a time. For many, a panel of 64 columns becomes numbers
// first, a stretch of k at a time, which then stays in the second cache while all rows go over it, six at a time.
#include "int8_matmul.hpp"

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define WIDE __attribute__((target("avx2,fma")))
#define INLINE __attribute__((target("avx2,fma"), always_inline)) inline

namespace larimar {
namespace {

constexpr std::size_t kBlock = 32;   // weights with a scale
constexpr std::size_t kLanes = 8;    // of a register
constexpr std::size_t kGroup = 32;   // columns
constexpr std::size_t kTile = 16;    // columns
constexpr std::size_t kPanel = 64;   // columns
constexpr std::size_t kDepth = 384;  // of a stretch; 96 kB of numbers in a panel
constexpr std::size_t kPass = 3;     // rows; more do not fit into the registers
constexpr std::size_t kTileRows = 6;
constexpr std::size_t kJobs = 16;
constexpr std::size_t kAhead = 2048;  // bytes

INLINE __m256 number(const std::int8_t* weights) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights))));
}

// 32 columns of the product for M rows, of which `count` are there.
template <int M>
WIDE void columns(const std::int8_t* weights, const float* scales, std::size_t k, const float* rows, std::size_t count,
                  float* product, std::size_t n) {
  alignas(32) float totals[M][kGroup] = {};
  for (std::size_t begin = 0; begin < k; begin += kBlock) {
    __m256 sums[M][4];
#pragma GCC unroll 3
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part) sums[m][part] = _mm256_setzero_ps();
    }
    const std::size_t end = std::min(k, begin + kBlock);
    for (std::size_t place = begin; place < end; ++place) {
      const std::int8_t* here = weights + place * kGroup;
      if (place % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(here) + kAhead, _MM_HINT_T0);
      __m256 row[M];
#pragma GCC unroll 3
      for (int m = 0; m < M; ++m) row[m] = _mm256_broadcast_ss(rows + static_cast<std::size_t>(m) * k + place);
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part) {
        const __m256 value = number(here + part * kLanes);
#pragma GCC unroll 3
        for (int m = 0; m < M; ++m) sums[m][part] = _mm256_fmadd_ps(value, row[m], sums[m][part]);
      }
    }
#pragma GCC unroll 3
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part) {
        float* total = totals[m] + part * kLanes;  // a block has 32 scales: as many as it is long
        const __m256 scale = _mm256_load_ps(scales + begin + part * kLanes);
        _mm256_store_ps(total, _mm256_fmadd_ps(sums[m][part], scale, _mm256_load_ps(total)));
      }
    }
  }
  for (int m = 0; m < M; ++m) std::copy_n(totals[m], count, product + static_cast<std::size_t>(m) * n);
}

using Columns = void (*)(const std::int8_t*, const float*, std::size_t, const float*, std::size_t, float*, std::size_t);
constexpr Columns kColumns[kPass] = {columns<1>, columns<2>, columns<3>};

// Adds a stretch to a tile of the product, or starts it: 16 columns for M rows, from weights as numbers [depth][16].
template <int M>
WIDE void tile(const float* weights, std::size_t depth, const float* rows, std::size_t k, bool starts, float* product,
               std::size_t n) {
  __m256 sums[M][2];
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
    sums[m][0] = starts ? _mm256_setzero_ps() : _mm256_loadu_ps(product + m * n);
    sums[m][1] = starts ? _mm256_setzero_ps() : _mm256_loadu_ps(product + m * n + kLanes);
  }
  for (std::size_t place = 0; place < depth; ++place) {
    const __m256 left = _mm256_load_ps(weights + place * kTile), right = _mm256_load_ps(weights + place * kTile + kLanes);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      const __m256 row = _mm256_broadcast_ss(rows + m * k + place);
      sums[m][0] = _mm256_fmadd_ps(left, row, sums[m][0]);
      sums[m][1] = _mm256_fmadd_ps(right, row, sums[m][1]);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
    _mm256_storeu_ps(product + m * n, sums[m][0]);
    _mm256_storeu_ps(product + m * n + kLanes, sums[m][1]);
  }
}

using Tile = void (*)(const float*, std::size_t, const float*, std::size_t, bool, float*, std::size_t);
constexpr Tile kTiles[kTileRows] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

// Makes numbers of a stretch of 32 columns: two tiles, [kDepth][16] each.
WIDE void unpack(const std::int8_t* weights, const float* scales, std::size_t begin, std::size_t end, float* unpacked) {
  for (std::size_t place = begin; place < end; ++place) {
    for (std::size_t part = 0; part < 4; ++part) {
      const __m256 scale = _mm256_load_ps(scales + place / kBlock * kGroup + part * kLanes);
      float* to = unpacked + part / 2 * kDepth * kTile + (place - begin) * kTile + part % 2 * kLanes;
      _mm256_store_ps(to, _mm256_mul_ps(number(weights + place * kGroup + part * kLanes), scale));
    }
  }
}

// Brings 16 bytes of 16 columns together, [column][16] to [place][32 columns], and makes them signed.
WIDE void transpose(const std::uint8_t* const (&columns)[16], std::size_t place, std::int8_t* to) {
  __m128i from[16], into[16];
  for (int each = 0; each < 16; ++each) {
    from[each] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(columns[each] + place));
  }
  for (int round = 0; round < 4; ++round) {
    for (int each = 0; each < 8; ++each) {
      into[2 * each] = _mm_unpacklo_epi8(from[each], from[each + 8]);
      into[2 * each + 1] = _mm_unpackhi_epi8(from[each], from[each + 8]);
    }
    std::copy_n(into, 16, from);
  }
  const __m128i sign = _mm_set1_epi8(-128);
  for (std::size_t each = 0; each < 16; ++each) {
    _mm_store_si128(reinterpret_cast<__m128i*>(to + each * kGroup), _mm_xor_si128(from[each], sign));
  }
}

}  // namespace

Int8Product::Int8Product(const Int8Matrix& matrix, const ParallelFor& parallel)
    : n_(matrix.n),
      k_(matrix.k),
      blocks_((k_ + kBlock - 1) / kBlock),
      groups_((n_ + kGroup - 1) / kGroup),
      weights_(LargePiece::take(groups_ * blocks_ * kBlock * kGroup)),
      scales_(LargePiece::take(groups_ * blocks_ * kGroup * sizeof(float))) {
  const std::size_t width = blocks_ * kBlock;
  const Aligned<std::uint8_t> none(width);  // a column that is not there
  std::memset(none.data, 128, width);
  const std::size_t jobs = std::min(groups_, kJobs);
  parallel(jobs, [&](std::size_t job) {
    for (std::size_t group = groups_ * job / jobs; group < groups_ * (job + 1) / jobs; ++group) {
      std::int8_t* to = weights_of(group);
      float* to_scales = scales_of(group);
      for (std::size_t half = 0; half < kGroup; half += 16) {
        const std::uint8_t* columns[16];
        for (std::size_t each = 0; each < 16; ++each) {
          const std::size_t column = group * kGroup + half + each;
          columns[each] = column < n_ ? matrix.weights + column * width : none.data;
        }
        for (std::size_t place = 0; place < width; place += 16) transpose(columns, place, to + place * kGroup + half);
      }
      for (std::size_t each = 0; each < kGroup; ++each) {
        const std::size_t column = group * kGroup + each;
        for (std::size_t block = 0; block < blocks_; ++block) {
          to_scales[block * kGroup + each] = column < n_ ? matrix.scales[column * blocks_ + block] : 0.0f;
        }
      }
    }
  });
}

std::int8_t* Int8Product::weights_of(std::size_t group) const {
  return reinterpret_cast<std::int8_t*>(weights_.data) + group * blocks_ * kBlock * kGroup;
}

float* Int8Product::scales_of(std::size_t group) const {
  return reinterpret_cast<float*>(scales_.data) + group * blocks_ * kGroup;
}

void Int8Product::multiply(const float* rows, std::size_t m, float* product, const ParallelFor& parallel) const {
  if (m <= kFewRows) {
    const std::size_t jobs = std::min(groups_, kJobs), passes = (m + kPass - 1) / kPass;
    parallel(jobs, [&](std::size_t job) {
      for (std::size_t group = groups_ * job / jobs; group < groups_ * (job + 1) / jobs; ++group) {
        const std::size_t column = group * kGroup;
        for (std::size_t pass = 0; pass < passes; ++pass) {
          const std::size_t row = m * pass / passes, count = m * (pass + 1) / passes - row;
          kColumns[count - 1](weights_of(group), scales_of(group), k_, rows + row * k_, std::min(kGroup, n_ - column),
                              product + row * n_ + column, n_);
        }
      }
    });
    return;
  }
  const std::size_t panels = (n_ + kPanel - 1) / kPanel, jobs = std::min(panels, kJobs);
  const Aligned<float> unpacked(jobs * kPanel * kDepth);
  const Aligned<float> ragged(n_ % kTile ? m * kTile : 0);  // columns that do not fill a tile
  parallel(jobs, [&](std::size_t job) {
    for (std::size_t index = panels * job / jobs; index < panels * (job + 1) / jobs; ++index) {
      panel(rows, m, index * kPanel, unpacked.data + job * kPanel * kDepth, ragged.data, product);
    }
  });
}

// The columns of a panel for all rows.
void Int8Product::panel(const float* rows, std::size_t m, std::size_t first, float* unpacked, float* ragged,
                        float* product) const {
  const std::size_t end = std::min(n_, first + kPanel);
  for (std::size_t begin = 0; begin < k_; begin += kDepth) {
    const std::size_t depth = std::min(k_ - begin, kDepth);
    for (std::size_t column = first; column < end; column += kGroup) {
      const std::size_t group = column / kGroup;
      unpack(weights_of(group), scales_of(group), begin, begin + depth, unpacked + (column - first) * kDepth);
    }
    for (std::size_t row = 0; row < m; row += kTileRows) {
      const std::size_t count = std::min(kTileRows, m - row);
      for (std::size_t column = first; column < end; column += kTile) {
        const bool whole = column + kTile <= n_;
        float* to = whole ? product + row * n_ + column : ragged + row * kTile;
        kTiles[count - 1](unpacked + (column - first) * kDepth, depth, rows + row * k_ + begin, k_, begin == 0, to,
                          whole ? n_ : kTile);
      }
    }
  }
  if (const std::size_t rest = end % kTile; rest) {
    for (std::size_t row = 0; row < m; ++row) std::copy_n(ragged + row * kTile, rest, product + row * n_ + end - rest);
  }
}

// Processors with VNNI multiply bytes four times as quickly as numbers; there the runtime's products are the better ones.
bool int8_runs_here() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
  if (__builtin_cpu_supports("avx512vnni")) return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool avx_vnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
  return !avx_vnni;
}

}  // namespace larimar
