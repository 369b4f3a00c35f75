// All query heads of a key/value head go over the keys and values together, so that these come from memory once. Eight
// queries, of one row or of several, share a register, one in each lane: a key then meets them without a sum across
// lanes, and its scores lie as the next step wants them. Few rows, as in decoding, are divided among threads by
// positions, in blocks that are joined in order (Dao et al., "Flash-Decoding", 2023); what a row does not see adds an
// exact zero. Many rows, as in reading a prompt, are divided by queries. Both keep a running maximum (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018).
#include "attention.hpp"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "vector_math.hpp"

#define TARGET "avx2,fma"
#define WIDE __attribute__((target(TARGET)))
#define INLINE __attribute__((target(TARGET), always_inline)) inline

namespace larimar {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kKeys = 8;     // at once
constexpr std::size_t kPanels = 4;   // registers of queries at once
constexpr std::size_t kLine = 16;    // numbers in a line of memory
constexpr std::size_t kLong = 256;   // positions of a block, few rows
constexpr std::size_t kShort = 64;   // the same where a window limits what is seen
constexpr std::size_t kSpan = 8;     // positions of values that stay near, few rows
constexpr std::size_t kChunk = 128;  // positions at a time, many rows
constexpr std::size_t kNear = 24;    // places at a time, many rows
constexpr std::size_t kJobs = 16;
constexpr std::size_t kAlone = 1 << 18;  // products that are not worth a second thread
constexpr float kNone = -std::numeric_limits<float>::infinity();

// What eight queries see, as positions in the buffers: from `first`, before `end`. `begin` and `stop` hold for any.
struct alignas(32) Sight {
  std::int32_t first[kLanes];
  std::int32_t end[kLanes];
  std::size_t begin;
  std::size_t stop;
};

// Queries of one key/value head: lane l of panel p is query 8 p + l, of row (8 p + l) / group. Lanes beyond the last
// query repeat its sight and are zero.
struct Queries {
  const AttentionForm& form;
  const float* queries;
  std::size_t rows;
  std::size_t start;
  std::size_t kv_head;

  std::size_t group() const { return form.heads / form.kv_heads; }
  std::size_t count() const { return rows * group(); }
  std::size_t offset(std::size_t query) const {
    return (query / group() * form.heads + kv_head * group() + query % group()) * form.size;
  }

  Sight sight(std::size_t panel) const {
    Sight sight;
    sight.begin = std::numeric_limits<std::size_t>::max();
    sight.stop = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t end = start + std::min(panel * kLanes + lane, count() - 1) / group() + 1;
      const std::size_t first = form.window && end > form.window ? end - form.window : 0;
      sight.first[lane] = static_cast<std::int32_t>(first);
      sight.end[lane] = static_cast<std::int32_t>(end);
      sight.begin = std::min(sight.begin, first);
      sight.stop = std::max(sight.stop, end);
    }
    return sight;
  }

  // Writes a panel, scaled, as [size][8].
  void pack(std::size_t panel, float* packed) const {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t query = panel * kLanes + lane;
      const float* from = queries + offset(std::min(query, count() - 1));
      const float scale = query < count() ? form.scale : 0.0f;
      for (std::size_t place = 0; place < form.size; ++place) packed[place * kLanes + lane] = from[place] * scale;
    }
  }
};

// Scores of P panels with kKeys keys, to scores[panel][key][8]; keys at or after the end repeat the last one.
template <int P>
WIDE void score(const float* packed, std::size_t size, const float* keys, std::size_t key, std::size_t end,
                float* scores, std::size_t panel_distance) {
  constexpr std::size_t kOnce = P == 1 ? 8 : P == 2 ? 4 : 2;  // as many as the registers hold
  for (std::size_t first = 0; first < kKeys; first += kOnce) {
    const float* rows[kOnce];
#pragma GCC unroll 8
    for (std::size_t each = 0; each < kOnce; ++each) rows[each] = keys + std::min(key + first + each, end - 1) * size;
    __m256 sums[kOnce][P];
#pragma GCC unroll 8
    for (std::size_t each = 0; each < kOnce; ++each) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums[each][p] = _mm256_setzero_ps();
    }
    for (std::size_t place = 0; place < size; place += kLanes) {
      if (place % kLine == 0) {  // what comes after these keys
#pragma GCC unroll 8
        for (std::size_t each = 0; each < kOnce; ++each) {
          _mm_prefetch(reinterpret_cast<const char*>(rows[each] + kKeys * size + place), _MM_HINT_T0);
        }
      }
      for (std::size_t step = place; step < place + kLanes; ++step) {
        __m256 queries[P];
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) queries[p] = _mm256_load_ps(packed + (p * size + step) * kLanes);
#pragma GCC unroll 8
        for (std::size_t each = 0; each < kOnce; ++each) {
          const __m256 value = _mm256_broadcast_ss(rows[each] + step);
#pragma GCC unroll 8
          for (int p = 0; p < P; ++p) sums[each][p] = _mm256_fmadd_ps(value, queries[p], sums[each][p]);
        }
      }
    }
#pragma GCC unroll 8
    for (std::size_t each = 0; each < kOnce; ++each) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) _mm256_store_ps(scores + p * panel_distance + (first + each) * kLanes, sums[each][p]);
    }
  }
}

using Score = void (*)(const float*, std::size_t, const float*, std::size_t, std::size_t, float*, std::size_t);
constexpr Score kScores[kPanels] = {score<1>, score<2>, score<3>, score<4>};

// Turns scores [stop − begin][8] into weights, from the maximum on, 0 where a lane does not see; adds them up in order.
// With a maximum so far, returns what everything up to now has to be multiplied by.
WIDE __m256 weigh(const Sight& sight, std::size_t begin, std::size_t stop, float* scores, __m256& maximum,
                  __m256& sum) {
  const __m256i first = _mm256_load_si256(reinterpret_cast<const __m256i*>(sight.first));
  const __m256i end = _mm256_load_si256(reinterpret_cast<const __m256i*>(sight.end));
  const auto seen = [&](std::size_t position) __attribute__((always_inline, target(TARGET))) {
    const __m256i place = _mm256_set1_epi32(static_cast<std::int32_t>(position));
    return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(first, place), _mm256_cmpgt_epi32(end, place)));
  };
  __m256 largest = maximum;
  for (std::size_t position = begin; position < stop; ++position) {
    float* here = scores + (position - begin) * kLanes;
    const __m256 score = _mm256_blendv_ps(_mm256_set1_ps(kNone), _mm256_load_ps(here), seen(position));
    _mm256_store_ps(here, score);
    largest = _mm256_max_ps(largest, score);
  }
  // a lane that has seen nothing yet: any number will do, so that nothing becomes ∞ − ∞
  const __m256 nothing = _mm256_cmp_ps(largest, _mm256_set1_ps(kNone), _CMP_EQ_OQ);
  const __m256 base = _mm256_andnot_ps(nothing, largest);
  const __m256 factor = exponential(_mm256_sub_ps(maximum, base));
  __m256 all = _mm256_mul_ps(sum, factor);
  for (std::size_t position = begin; position < stop; ++position) {
    float* here = scores + (position - begin) * kLanes;
    const __m256 weight = exponential(_mm256_sub_ps(_mm256_load_ps(here), base));
    _mm256_store_ps(here, weight);
    all = _mm256_add_ps(all, weight);
  }
  maximum = largest;
  sum = all;
  return factor;
}

// Copies `width` places, a multiple of 8, of each position to a place of their own: rows of the cache are often a power of
// two apart, and then fall into the same few places of the nearest cache.
WIDE void gather_values(const float* values, std::size_t size, std::size_t positions, std::size_t width, float* to) {
  for (std::size_t position = 0; position < positions; ++position) {
    const float* from = values + position * size;
    for (std::size_t place = 0; place < width; place += kLanes) {
      _mm256_store_ps(to + position * width + place, _mm256_loadu_ps(from + place));
    }
  }
}

// Adds weights [positions][8] · values, rows of which are `stride` apart, to Q lanes of the output for V registers of
// places. What follows the rows is asked for where `ahead` says so.
template <int Q, int V>
WIDE void add_values(const float* weights, const float* values, std::size_t positions, std::size_t stride, bool ahead,
                     float* output, std::size_t size) {
  __m256 sums[Q][V];
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[q][v] = _mm256_loadu_ps(output + q * size + v * kLanes);
  }
  const std::size_t next = ahead ? positions * stride : 0;
  for (std::size_t position = 0; position < positions; ++position) {
    const float* row = values + position * stride;
    _mm_prefetch(reinterpret_cast<const char*>(row + next), _MM_HINT_T0);
    if (V == 3) _mm_prefetch(reinterpret_cast<const char*>(row + next + 2 * kLanes), _MM_HINT_T0);
    __m256 value[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) value[v] = _mm256_loadu_ps(row + v * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const __m256 weight = _mm256_broadcast_ss(weights + position * kLanes + q);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[q][v] = _mm256_fmadd_ps(weight, value[v], sums[q][v]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) _mm256_storeu_ps(output + q * size + v * kLanes, sums[q][v]);
  }
}

// The same for V registers of places and the first `lanes` lanes.
template <int V>
WIDE void add_lanes(const float* weights, const float* values, std::size_t positions, std::size_t stride, bool ahead,
                    std::size_t lanes, float* output, std::size_t size) {
  std::size_t lane = 0;
  for (; lane + 4 <= lanes; lane += 4) {
    add_values<4, V>(weights + lane, values, positions, stride, ahead && lane == 0, output + lane * size, size);
  }
  for (; lane + 2 <= lanes; lane += 2) {
    add_values<2, V>(weights + lane, values, positions, stride, ahead && lane == 0, output + lane * size, size);
  }
  if (lane < lanes) {
    add_values<1, V>(weights + lane, values, positions, stride, ahead && lane == 0, output + lane * size, size);
  }
}

// The same for `width` places, a multiple of 8.
WIDE void add_panel(const float* weights, const float* values, std::size_t positions, std::size_t stride, bool ahead,
                    std::size_t width, std::size_t lanes, float* output, std::size_t size) {
  std::size_t place = 0;
  for (; place + 3 * kLanes <= width; place += 3 * kLanes) {
    add_lanes<3>(weights, values + place, positions, stride, ahead, lanes, output + place, size);
  }
  if (width - place == 2 * kLanes) {
    add_lanes<2>(weights, values + place, positions, stride, ahead, lanes, output + place, size);
  } else if (width - place == kLanes) {
    add_lanes<1>(weights, values + place, positions, stride, ahead, lanes, output + place, size);
  }
}

WIDE void multiply_lane(float* output, std::size_t size, float factor) {
  for (std::size_t place = 0; place < size; place += kLanes) {
    _mm256_storeu_ps(output + place, _mm256_mul_ps(_mm256_loadu_ps(output + place), _mm256_set1_ps(factor)));
  }
}

// Writes lanes [8][size] to where their queries' output lies, divided by their sums.
WIDE void finish(const Queries& all, std::size_t panel, const float* lanes, __m256 sum, float* output) {
  alignas(32) float sums[kLanes];
  _mm256_store_ps(sums, sum);
  for (std::size_t lane = 0; lane < kLanes && panel * kLanes + lane < all.count(); ++lane) {
    float* to = output + all.offset(panel * kLanes + lane);
    std::memcpy(to, lanes + lane * all.form.size, all.form.size * sizeof(float));
    multiply_lane(to, all.form.size, 1.0f / sums[lane]);
  }
}

// Multiplies each of the lanes [8][size] by its factor.
WIDE void multiply_lanes(float* lanes, std::size_t size, __m256 factor) {
  alignas(32) float factors[kLanes];
  _mm256_store_ps(factors, factor);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (factors[lane] != 1.0f) multiply_lane(lanes + lane * size, size, factors[lane]);
  }
}

std::size_t rounded_up(std::size_t number, std::size_t step) { return (number + step - 1) / step * step; }

// What a block of positions comes to for one panel.
struct Partial {
  alignas(32) float maximum[kLanes];
  alignas(32) float sum[kLanes];
};

// Adds what the blocks come to, in order, from the first that a lane sees anything of.
WIDE void join(const Queries& all, std::size_t panel, std::size_t panels, std::size_t blocks, const Partial* partials,
               float* lanes, float* output) {
  const std::size_t size = all.form.size, distance = panels * kLanes * size;
  for (std::size_t p = 0; p < panels; ++p) {
    float* joined = lanes + p * kLanes * size;
    __m256 maximum = _mm256_load_ps(partials[p].maximum), sum = _mm256_load_ps(partials[p].sum);
    for (std::size_t block = 1; block < blocks; ++block) {
      const Partial& partial = partials[block * panels + p];
      const __m256 other = _mm256_load_ps(partial.maximum), largest = _mm256_max_ps(maximum, other);
      const __m256 nothing = _mm256_cmp_ps(largest, _mm256_set1_ps(kNone), _CMP_EQ_OQ);
      const __m256 base = _mm256_andnot_ps(nothing, largest);
      const __m256 mine = exponential(_mm256_sub_ps(maximum, base)), its = exponential(_mm256_sub_ps(other, base));
      sum = _mm256_fmadd_ps(_mm256_load_ps(partial.sum), its, _mm256_mul_ps(sum, mine));
      maximum = largest;
      alignas(32) float my_factors[kLanes], its_factors[kLanes];
      _mm256_store_ps(my_factors, mine);
      _mm256_store_ps(its_factors, its);
      const float* added = joined + block * distance;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const __m256 my_factor = _mm256_set1_ps(my_factors[lane]), its_factor = _mm256_set1_ps(its_factors[lane]);
        for (std::size_t place = lane * size; place < (lane + 1) * size; place += kLanes) {
          const __m256 product = _mm256_mul_ps(_mm256_load_ps(joined + place), my_factor);
          _mm256_store_ps(joined + place, _mm256_fmadd_ps(_mm256_load_ps(added + place), its_factor, product));
        }
      }
    }
    finish(all, panel + p, joined, sum, output);
  }
}

// Up to kPanels panels of few rows.
WIDE void attend_few(const Queries& all, std::size_t panel, std::size_t panels, const CachedStates& cache,
                     float* output, const ParallelFor& parallel) {
  const std::size_t size = all.form.size;
  const float* keys = cache.keys + all.kv_head * cache.capacity * size;
  const float* values = cache.values + all.kv_head * cache.capacity * size;
  Sight sights[kPanels];
  std::size_t begin = std::numeric_limits<std::size_t>::max(), stop = 0;
  for (std::size_t p = 0; p < panels; ++p) {
    sights[p] = all.sight(panel + p);
    begin = std::min(begin, sights[p].begin);
    stop = std::max(stop, sights[p].stop);
  }
  // blocks lie at the same positions whatever the rows, so that a row comes to the same bits in any company
  const std::size_t length = all.form.window ? kShort : kLong, first = begin / length;
  const std::size_t blocks = (stop + length - 1) / length - first;
  const std::size_t state = panels * kLanes * size;
  const Aligned<float> packed(state), scores(blocks * panels * length * kLanes), lanes(blocks * state);
  const Aligned<Partial> partials(blocks * panels);
  for (std::size_t p = 0; p < panels; ++p) all.pack(panel + p, packed.data + p * size * kLanes);
  const auto attend_block = [&](std::size_t block) WIDE {
    const std::size_t from = std::max(begin, (first + block) * length);
    const std::size_t to = std::min(stop, (first + block + 1) * length);
    float* own_scores = scores.data + block * panels * length * kLanes;
    float* own_lanes = lanes.data + block * state;
    for (std::size_t key = from; key < to; key += kKeys) {
      kScores[panels - 1](packed.data, size, keys, key, to, own_scores + (key - from) * kLanes, length * kLanes);
    }
    for (std::size_t p = 0; p < panels; ++p) {
      __m256 maximum = _mm256_set1_ps(kNone), sum = _mm256_setzero_ps();
      weigh(sights[p], from, to, own_scores + p * length * kLanes, maximum, sum);
      _mm256_store_ps(partials.data[block * panels + p].maximum, maximum);
      _mm256_store_ps(partials.data[block * panels + p].sum, sum);
    }
    std::memset(own_lanes, 0, state * sizeof(float));
    for (std::size_t position = from; position < to; position += kSpan) {
      for (std::size_t p = 0; p < panels; ++p) {
        const std::size_t count = std::min(kLanes, all.count() - (panel + p) * kLanes);
        add_panel(own_scores + (p * length + position - from) * kLanes, values + position * size,
                  std::min(kSpan, to - position), size, p == 0, size, count, own_lanes + p * kLanes * size, size);
      }
    }
  };
  if ((stop - begin) * size * panels * kLanes < kAlone) {
    for (std::size_t block = 0; block < blocks; ++block) attend_block(block);
  } else {
    parallel(blocks, attend_block);
  }
  join(all, panel, panels, blocks, partials.data, lanes.data, output);
}

struct Workspace {
  float* packed;  // [panels][size][8]
  float* scores;  // [panels][kChunk][8]
  float* lanes;   // [panels][8][size]
  float* near;    // [kChunk][kNear]
};

// Up to kPanels panels of many rows, by one thread.
WIDE void attend_many(const Queries& all, std::size_t panel, std::size_t panels, const CachedStates& cache,
                      const Workspace& own, float* output) {
  const std::size_t size = all.form.size;
  const float* keys = cache.keys + all.kv_head * cache.capacity * size;
  const float* values = cache.values + all.kv_head * cache.capacity * size;
  Sight sights[kPanels];
  __m256 maxima[kPanels], sums[kPanels];
  std::size_t begin = std::numeric_limits<std::size_t>::max(), stop = 0;
  for (std::size_t p = 0; p < panels; ++p) {
    sights[p] = all.sight(panel + p);
    begin = std::min(begin, sights[p].begin);
    stop = std::max(stop, sights[p].stop);
    maxima[p] = _mm256_set1_ps(kNone);
    sums[p] = _mm256_setzero_ps();
    all.pack(panel + p, own.packed + p * size * kLanes);
  }
  std::memset(own.lanes, 0, panels * kLanes * size * sizeof(float));
  for (std::size_t chunk = begin; chunk < stop; chunk += kChunk) {
    const std::size_t end = std::min(chunk + kChunk, stop);
    for (std::size_t key = chunk; key < end; key += kKeys) {
      kScores[panels - 1](own.packed, size, keys, key, end, own.scores + (key - chunk) * kLanes, kChunk * kLanes);
    }
    for (std::size_t p = 0; p < panels; ++p) {
      const __m256 factor = weigh(sights[p], chunk, end, own.scores + p * kChunk * kLanes, maxima[p], sums[p]);
      multiply_lanes(own.lanes + p * kLanes * size, size, factor);
    }
    for (std::size_t from = 0; from < size; from += kNear) {
      const std::size_t width = std::min(kNear, size - from);
      gather_values(values + chunk * size + from, size, end - chunk, width, own.near);
      for (std::size_t p = 0; p < panels; ++p) {
        const std::size_t count = std::min(kLanes, all.count() - (panel + p) * kLanes);
        add_panel(own.scores + p * kChunk * kLanes, own.near, end - chunk, width, false, width, count,
                  own.lanes + p * kLanes * size + from, size);
      }
    }
  }
  for (std::size_t p = 0; p < panels; ++p) finish(all, panel + p, own.lanes + p * kLanes * size, sums[p], output);
}

}  // namespace

bool attention_runs_here() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

void attend(const AttentionForm& form, const float* queries, std::size_t rows, std::size_t start,
            const CachedStates& cache, float* output, const ParallelFor& parallel) {
  const std::size_t panels = rounded_up(rows * (form.heads / form.kv_heads), kLanes) / kLanes;
  if (rows <= kFewQueries) {
    for (std::size_t head = 0; head < form.kv_heads; ++head) {
      const Queries all{form, queries, rows, start, head};
      for (std::size_t panel = 0; panel < panels; panel += kPanels) {
        attend_few(all, panel, std::min(kPanels, panels - panel), cache, output, parallel);
      }
    }
    return;
  }
  const std::size_t batches = rounded_up(panels, kPanels) / kPanels, tasks = batches * form.kv_heads;
  const std::size_t jobs = std::min(tasks, kJobs);
  const std::size_t packed = kPanels * form.size * kLanes, scores = kPanels * kChunk * kLanes, near = kChunk * kNear;
  const Aligned<float> memory(jobs * (2 * packed + scores + near));
  parallel(jobs, [&](std::size_t job) {
    float* own = memory.data + job * (2 * packed + scores + near);
    // every job takes early rows, which see little, and late ones
    for (std::size_t task = job; task < tasks; task += jobs) {
      const Queries all{form, queries, rows, start, task / batches};
      const std::size_t panel = task % batches * kPanels;
      const Workspace workspace{own, own + packed, own + packed + scores, own + 2 * packed + scores};
      attend_many(all, panel, std::min(kPanels, panels - panel), cache, workspace, output);
    }
  });
}

}  // namespace larimar
