// What lies between the products of a decoder layer: norms, sums, gates and rotary embedding, row by row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory.hpp"

namespace larimar {

// Whether this processor has what the functions need. Widths are multiples of 8; each row comes to the same bits in any
// company.
bool rows_run_here();

// result = gelu(gates) · others, with the hyperbolic tangent (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
void gate_rows(const float* gates, const float* others, std::size_t count, float* result, const ParallelFor& parallel);

// Root mean square norms (Zhang and Sennrich, 2019) of rows [rows][width]:
//   sum = (residual + norm(rows) · weight) · factor, and, where there is a second weight, normed = norm(sum) · after.
struct Sum {
  const float* weight;
  const float* residual;
  float factor;
  const float* after;  // or null
  float epsilon;
};
void add_norm(const float* rows, std::size_t count, std::size_t width, const Sum& what, float* sum, float* normed,
              const ParallelFor& parallel);

// Norms of heads [rows][heads][size], each then turned by the angles of its row's position, halves against each other
// (Su et al., "RoFormer", 2021), as far as these reach.
struct Turn {
  std::size_t heads;
  const std::int64_t* positions;  // one for each row, or null: no turn
  const float* cosines;           // [positions][angles]
  const float* sines;
  std::size_t angles;  // up to size / 2
};
void norm_heads(const float* states, std::size_t rows, std::size_t size, const float* weight, float epsilon,
                const Turn& turn, float* result, const ParallelFor& parallel);

}  // namespace larimar
