// Products of float32 rows with a matrix of 4-bit weights, as it lies in a file of ONNX's MatMulNBits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace larimar {

// Calls its function once for each number below the given one, on several threads where there are some.
using ParallelFor = std::function<void(std::size_t, const std::function<void(std::size_t)>&)>;

// A matrix of n × k weights w = (q − 8) · scale, one scale for each 32 weights of a row, k a multiple of 32.
struct Int4Matrix {
  const std::uint8_t* weights;  // [n][k / 32][16], the even weight of two in the low half of a byte
  const float* scales;          // [n][k / 32]
  std::size_t n;
  std::size_t k;
};

// Whether this processor has what multiply() needs.
bool can_multiply();

// Writes rows · matrixᵀ, [m][n], for rows [m][k], which are rounded to 8 bits in blocks of 32. An element of the product
// has the same bits whatever m is, as long as it is at most kFewRows.
void multiply(const float* rows, std::size_t m, const Int4Matrix& matrix, float* product, const ParallelFor& parallel);

constexpr std::size_t kFewRows = 16;

}  // namespace larimar
