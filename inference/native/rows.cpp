#include "rows.hpp"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "vector_math.hpp"

#define WIDE __attribute__((target("avx2,fma")))
#define INLINE __attribute__((target("avx2,fma"), always_inline)) inline

namespace larimar {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kWorth = 1 << 15;  // numbers that are worth a second thread
constexpr std::size_t kJobs = 16;

// Calls function(begin, end) for parts of the items, of `size` numbers each.
template <typename Function>
void divide(std::size_t items, std::size_t size, const ParallelFor& parallel, const Function& function) {
  const std::size_t most = std::clamp<std::size_t>(items, 1, kJobs);
  const std::size_t jobs = std::clamp<std::size_t>(items * size / kWorth, 1, most);
  parallel(jobs, [&](std::size_t job) { function(items * job / jobs, items * (job + 1) / jobs); });
}

INLINE float total(__m256 values) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

// What a row has to be multiplied by for a root mean square of one.
INLINE __m256 inverse_root(const float* row, std::size_t width, float epsilon) {
  __m256 first = _mm256_setzero_ps(), second = _mm256_setzero_ps();
  std::size_t place = 0;
  for (; place + 2 * kLanes <= width; place += 2 * kLanes) {
    const __m256 left = _mm256_loadu_ps(row + place), right = _mm256_loadu_ps(row + place + kLanes);
    first = _mm256_fmadd_ps(left, left, first);
    second = _mm256_fmadd_ps(right, right, second);
  }
  if (place < width) {
    const __m256 left = _mm256_loadu_ps(row + place);
    first = _mm256_fmadd_ps(left, left, first);
  }
  const float mean = total(_mm256_add_ps(first, second)) / static_cast<float>(width);
  return _mm256_set1_ps(1.0f / std::sqrt(mean + epsilon));
}

INLINE __m256 normed_at(const float* row, const float* weight, __m256 inverse, std::size_t place) {
  return _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(row + place), inverse), _mm256_loadu_ps(weight + place));
}

// x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which is x · sigmoid(twice that argument).
INLINE __m256 gelu(__m256 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
  const __m256 cube = _mm256_mul_ps(_mm256_mul_ps(x, x), x);
  const __m256 twice = _mm256_mul_ps(_mm256_set1_ps(1.59576912f), _mm256_fmadd_ps(cube, _mm256_set1_ps(0.044715f), x));
  const __m256 small = exponential(_mm256_or_ps(twice, sign));  // of the negative amount
  const __m256 above = _mm256_blendv_ps(one, small, twice);     // by the sign
  return _mm256_mul_ps(x, _mm256_div_ps(above, _mm256_add_ps(one, small)));
}

WIDE void gate(const float* gates, const float* others, float* result) {
  _mm256_storeu_ps(result, _mm256_mul_ps(gelu(_mm256_loadu_ps(gates)), _mm256_loadu_ps(others)));
}

WIDE void add_row(const float* row, const float* residual, std::size_t width, const Sum& what, float* sum,
                  float* normed) {
  const __m256 inverse = inverse_root(row, width, what.epsilon), factor = _mm256_set1_ps(what.factor);
  for (std::size_t place = 0; place < width; place += kLanes) {
    const __m256 added = _mm256_add_ps(_mm256_loadu_ps(residual + place), normed_at(row, what.weight, inverse, place));
    _mm256_storeu_ps(sum + place, _mm256_mul_ps(added, factor));
  }
  if (normed == nullptr) return;
  const __m256 again = inverse_root(sum, width, what.epsilon);
  for (std::size_t place = 0; place < width; place += kLanes) {
    _mm256_storeu_ps(normed + place, normed_at(sum, what.after, again, place));
  }
}

WIDE void norm_head(const float* head, std::size_t size, const float* weight, float epsilon, const Turn& turn,
                    std::int64_t position, float* result) {
  const __m256 inverse = inverse_root(head, size, epsilon);
  const auto normed = [&](std::size_t place) __attribute__((always_inline, target("avx2,fma"))) {
    return normed_at(head, weight, inverse, place);
  };
  const float scale = _mm256_cvtss_f32(inverse);
  const auto one = [&](std::size_t place) { return head[place] * scale * weight[place]; };
  const std::size_t angles = turn.positions ? turn.angles : 0;
  const float* cosines = turn.cosines + static_cast<std::size_t>(position) * angles;
  const float* sines = turn.sines + static_cast<std::size_t>(position) * angles;
  std::size_t place = 0;
  for (; place + kLanes <= angles; place += kLanes) {
    const __m256 left = normed(place), right = normed(place + angles);
    const __m256 cosine = _mm256_loadu_ps(cosines + place), sine = _mm256_loadu_ps(sines + place);
    _mm256_storeu_ps(result + place, _mm256_fmsub_ps(left, cosine, _mm256_mul_ps(right, sine)));
    _mm256_storeu_ps(result + place + angles, _mm256_fmadd_ps(right, cosine, _mm256_mul_ps(left, sine)));
  }
  for (; place < angles; ++place) {
    const float left = one(place), right = one(place + angles);
    result[place] = left * cosines[place] - right * sines[place];
    result[place + angles] = right * cosines[place] + left * sines[place];
  }
  place = 2 * angles;
  for (; place + kLanes <= size; place += kLanes) _mm256_storeu_ps(result + place, normed(place));
  for (; place < size; ++place) result[place] = one(place);
}

}  // namespace

bool rows_run_here() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

void gate_rows(const float* gates, const float* others, std::size_t count, float* result, const ParallelFor& parallel) {
  // gelu takes about eight times as long as a product
  divide(count / kLanes, 8 * kLanes, parallel, [&](std::size_t begin, std::size_t end) {
    for (std::size_t each = begin * kLanes; each < end * kLanes; each += kLanes) {
      gate(gates + each, others + each, result + each);
    }
  });
}

void add_norm(const float* rows, std::size_t count, std::size_t width, const Sum& what, float* sum, float* normed,
              const ParallelFor& parallel) {
  divide(count, width, parallel, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      add_row(rows + row * width, what.residual + row * width, width, what, sum + row * width,
              what.after ? normed + row * width : nullptr);
    }
  });
}

void norm_heads(const float* states, std::size_t rows, std::size_t size, const float* weight, float epsilon,
                const Turn& turn, float* result, const ParallelFor& parallel) {
  divide(rows, turn.heads * size, parallel, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const std::int64_t position = turn.positions ? turn.positions[row] : 0;
      for (std::size_t head = row * turn.heads; head < (row + 1) * turn.heads; ++head) {
        norm_head(states + head * size, size, weight, epsilon, turn, position, result + head * size);
      }
    }
  });
}

}  // namespace larimar
