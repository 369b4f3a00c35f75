// Attention of a run's rows over the keys and values of a cache, for one sequence.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory.hpp"

namespace larimar {

struct AttentionForm {
  std::size_t heads;
  std::size_t kv_heads;  // divides heads
  std::size_t size;      // of a head, a multiple of 8
  std::size_t window;    // positions that a row sees, itself among them; 0 for all before it
  float scale;           // of the scores
};

// Keys and values as they lie in the buffers of a cache.
struct CachedStates {
  const float* keys;    // [kv_heads][capacity][size]
  const float* values;  // the same
  std::size_t capacity;
};

constexpr std::size_t kFewQueries = 16;

// Whether this processor has what attend() needs.
bool attention_runs_here();

// Writes softmax(queries · keysᵀ · scale) · values, [rows][heads][size]. Row r stands at position start + r, sees itself
// and what came before as far as the window reaches, and nothing else of the buffers is read. Up to kFewQueries rows,
// each comes to the same bits whatever the number of rows and of threads. Throws std::bad_alloc.
void attend(const AttentionForm& form, const float* queries, std::size_t rows, std::size_t start,
            const CachedStates& cache, float* output, const ParallelFor& parallel);

}  // namespace larimar
