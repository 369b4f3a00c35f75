// Products of float32 rows with a matrix of 4-bit weights, as it lies in a file of ONNX's MatMulNBits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "memory.hpp"

namespace larimar {

constexpr std::size_t kBlock = 32;

// Bounds of the largest amount in a block of a row. Below, the block counts as zeros: its scale would have no inverse.
// Above, which is infinity and what is no number, it makes what it is multiplied with no number either.
constexpr float kSmallest = 0x1p-119f;
constexpr float kLargest = std::numeric_limits<float>::max();

// A matrix of n × k weights w = (q − 8) · scale, one scale for each block of 32 weights of a row; the last may be short.
struct Int4Matrix {
  const std::uint8_t* weights;  // [n][blocks][16], the even weight of two in the low half of a byte
  const float* scales;          // [n][blocks]
  std::size_t n;
  std::size_t k;

  std::size_t blocks() const { return (k + kBlock - 1) / kBlock; }
};

// A matrix and what is kept of it for one kind of processor. The weights have to stay where they are.
class Int4Product {
 public:
  // Needs: int4_runs_here(). Throws std::bad_alloc.
  static std::unique_ptr<Int4Product> make(const Int4Matrix& matrix);

  virtual ~Int4Product() = default;

  // Copies the weights into the order in which they are used, in memory of their own, where that makes it faster. To be
  // called before anything is multiplied. Throws std::bad_alloc.
  virtual void pack(const ParallelFor& /* parallel */) {}

  // Writes rows · matrixᵀ, [m][n], for rows [m][k], which are rounded to 8 bits in blocks of 32 (see kSmallest). An element of the
  // product has the same bits whatever m is, as long as it is at most kFewRows. Throws std::bad_alloc.
  virtual void multiply(const float* rows, std::size_t m, float* product, const ParallelFor& parallel) const = 0;
};

// Whether this processor has what a product needs.
bool int4_runs_here();

// The kinds, best first: whether the processor is of that kind, and the product for it.
bool avx512_runs_here();
std::unique_ptr<Int4Product> make_avx512(const Int4Matrix& matrix);
bool avx2_runs_here();
std::unique_ptr<Int4Product> make_avx2(const Int4Matrix& matrix);

}  // namespace larimar
