// Arithmetic for sizes that a graph names: it overflows nowhere, because what a graph says is never believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace larimar {

// A graph or an input that an operator does not take. what() is the sentence for the user.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Writes the product of sizes and returns true; returns false where it exceeds what an object in memory can have. A
// factor of zero makes the product zero, whatever the others are.
inline bool multiply_sizes(std::initializer_list<std::size_t> factors, std::size_t* product) {
  std::size_t result = 1;
  bool fits = true;
  for (const std::size_t factor : factors) {
    if (factor == 0) {
      *product = 0;
      return true;
    }
    fits = fits && !__builtin_mul_overflow(result, factor, &result) && result <= PTRDIFF_MAX;
  }
  *product = result;
  return fits;
}

// Whether a dimension, which may be any number, is the product of the factors.
inline bool is_product(std::int64_t dimension, std::initializer_list<std::size_t> factors) {
  std::size_t product = 0;
  return multiply_sizes(factors, &product) && dimension >= 0 && product == static_cast<std::size_t>(dimension);
}

// Dimensions of a tensor: a fixed number of them, so that looking at one takes no memory.
class Dims {
 public:
  static constexpr std::size_t kMost = 8;

  Dims() = default;
  Dims(std::initializer_list<std::int64_t> sizes) {
    for (const std::int64_t size : sizes) sizes_[rank_++] = size;
  }

  // To be filled in by the runtime. Throws Refusal.
  explicit Dims(std::size_t rank) : rank_(rank) {
    if (rank > kMost) throw Refusal("a tensor has more than 8 dimensions");
  }

  std::size_t rank() const { return rank_; }
  std::int64_t* data() { return sizes_; }
  const std::int64_t* data() const { return sizes_; }
  std::int64_t operator[](std::size_t place) const { return sizes_[place]; }
  std::int64_t& back() { return sizes_[rank_ - 1]; }
  std::int64_t back() const { return sizes_[rank_ - 1]; }

  bool operator==(const Dims& other) const {
    if (rank_ != other.rank_) return false;
    for (std::size_t place = 0; place < rank_; ++place) {
      if (sizes_[place] != other.sizes_[place]) return false;
    }
    return true;
  }
  bool operator!=(const Dims& other) const { return !(*this == other); }

  // Writes the number of elements of the given size and returns true; returns false where a dimension is negative or all
  // of it is more than memory can hold.
  bool count(std::size_t element_size, std::size_t* elements) const {
    std::size_t result = 1;
    bool fits = true, empty = false;
    for (std::size_t place = 0; place < rank_; ++place) {
      if (sizes_[place] < 0) return false;
      empty = empty || sizes_[place] == 0;
      fits = fits && multiply_sizes({result, static_cast<std::size_t>(sizes_[place])}, &result);
    }
    *elements = empty ? 0 : result;
    std::size_t bytes = 0;
    return empty || (fits && multiply_sizes({result, element_size}, &bytes));
  }

  std::string text() const {
    std::string text = "[";
    for (std::size_t place = 0; place < rank_; ++place) text += (place ? ", " : "") + std::to_string(sizes_[place]);
    return text + "]";
  }

 private:
  std::int64_t sizes_[kMost] = {};
  std::size_t rank_ = 0;
};

}  // namespace larimar
