// What the kernels share: aligned memory, how work is divided among threads, and how many rows are few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

namespace larimar {

// Calls its function once for each number below the given one, on several threads where there are some.
using ParallelFor = std::function<void(std::size_t, const std::function<void(std::size_t)>&)>;

// Rows of a product that come to the same bits together and alone.
constexpr std::size_t kFewRows = 16;

#ifdef LARIMAR_TEST_ALLOCATIONS
// Whether the allocation that is about to be made has to fail: larimar_fail_allocation() of a build for tests says so.
bool allocation_fails();
#else
constexpr bool allocation_fails() { return false; }
#endif

// Returns memory at a multiple of `alignment`, a power of two, with at least one byte more than was asked for, and of a
// size that is a multiple, too. Throws std::bad_alloc.
inline void* allocate_aligned(std::size_t alignment, std::size_t count, std::size_t element_size) {
  std::size_t bytes = 0;
  void* data = nullptr;
  if (!__builtin_mul_overflow(count, element_size, &bytes) && bytes < PTRDIFF_MAX - alignment && !allocation_fails()) {
    data = std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
  }
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

// Elements without constructors, at a multiple of 64 bytes. Throws std::bad_alloc.
template <typename T>
struct Aligned {
  Aligned() = default;
  explicit Aligned(std::size_t count) : data(static_cast<T*>(allocate_aligned(64, count, sizeof(T)))) {}
  Aligned(Aligned&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  Aligned& operator=(Aligned&& other) noexcept {
    std::swap(data, other.data);
    return *this;
  }
  ~Aligned() { std::free(data); }
  T* data = nullptr;
};

}  // namespace larimar
