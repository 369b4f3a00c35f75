// Products of float32 rows with a matrix of 8-bit weights, for processors with AVX2 and without instructions for products
// of bytes. Rows are not rounded: on such a processor float32 is quicker than bytes are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "large_memory.hpp"
#include "memory.hpp"

namespace larimar {

// A matrix of n × k weights w = (q − 128) · scale, one scale for each block of 32 weights of a row; the last may be short.
struct Int8Matrix {
  const std::uint8_t* weights;  // [n][blocks][32]
  const float* scales;          // [n][blocks]
  std::size_t n;
  std::size_t k;
};

// A copy of a matrix, in the order in which it is used.
class Int8Product {
 public:
  // Throws std::bad_alloc.
  Int8Product(const Int8Matrix& matrix, const ParallelFor& parallel);

  // Writes rows · matrixᵀ, [m][n], for rows [m][k]. An element of the product has the same bits whatever m is, as long as
  // it is at most kFewRows. Throws std::bad_alloc.
  void multiply(const float* rows, std::size_t m, float* product, const ParallelFor& parallel) const;

 private:
  void panel(const float* rows, std::size_t m, std::size_t first, float* unpacked, float* ragged, float* product) const;
  std::int8_t* weights_of(std::size_t group) const;
  float* scales_of(std::size_t group) const;

  std::size_t n_;
  std::size_t k_;
  std::size_t blocks_;
  std::size_t groups_;  // of 32 columns
  LargePiece weights_;  // int8, [group][block · 32][32]
  LargePiece scales_;   // float32, [group][block][32]
};

// Whether this processor is one of those.
bool int8_runs_here();

}  // namespace larimar
