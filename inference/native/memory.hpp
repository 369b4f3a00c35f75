// What the kernels share: aligned memory, how work is divided among threads, and how many rows are few.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

namespace larimar {

// Calls its function once for each number below the given one, on several threads where there are some.
using ParallelFor = std::function<void(std::size_t, const std::function<void(std::size_t)>&)>;

// Rows of a product that come to the same bits together and alone.
constexpr std::size_t kFewRows = 16;

// Elements without constructors, at a multiple of 64 bytes.
template <typename T>
struct Aligned {
  Aligned() = default;
  explicit Aligned(std::size_t count)
      : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 64) / 64 * 64))) {
    if (data == nullptr) throw std::bad_alloc();
  }
  Aligned(Aligned&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  Aligned& operator=(Aligned&& other) noexcept {
    std::swap(data, other.data);
    return *this;
  }
  ~Aligned() { std::free(data); }
  T* data = nullptr;
};

}  // namespace larimar
