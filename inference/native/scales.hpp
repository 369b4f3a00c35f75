// Scales of a matrix, in the shortest form that keeps them as they are: the scale of a block of bfloat16 weights, an
// eighth of one of them, is a bfloat16, which is the upper half of a float32; GGUF has float16.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "int4_matmul.hpp"

namespace larimar {

struct BFloat16 {
  std::uint16_t bits;
};

struct Float16 {
  std::uint16_t bits;
};

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline void shorten(float value, float& to) { to = value; }
inline void shorten(float value, BFloat16& to) { to.bits = static_cast<std::uint16_t>(bits_of(value) >> 16); }
__attribute__((target("f16c"))) inline void shorten(float value, Float16& to) {
  to.bits = static_cast<std::uint16_t>(_cvtss_sh(value, 0));
}

inline bool are_bfloat16(const float* values, std::size_t count) {
  std::uint32_t lower = 0;
  for (std::size_t each = 0; each < count; ++each) lower |= bits_of(values[each]) & 0xffff;
  return lower == 0;
}

__attribute__((target("f16c"))) inline bool are_float16(const float* values, std::size_t count) {
  for (std::size_t each = 0; each < count; ++each) {
    if (bits_of(_cvtsh_ss(_cvtss_sh(values[each], 0))) != bits_of(values[each])) return false;
  }
  return true;
}

// The product of a kind of processor, with the shortest scales that are the matrix's own.
template <template <typename Scale> class Product>
std::unique_ptr<Int4Product> make_with_shortest(const Int4Matrix& matrix) {
  const std::size_t count = matrix.n * matrix.blocks();
  if (are_bfloat16(matrix.scales, count)) return std::make_unique<Product<BFloat16>>(matrix);
  if (are_float16(matrix.scales, count)) return std::make_unique<Product<Float16>>(matrix);
  return std::make_unique<Product<float>>(matrix);
}

}  // namespace larimar
