#include "large_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "memory.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace larimar {
namespace {

constexpr std::size_t kPage = 2 << 20;
constexpr std::size_t kChunk = 64 << 20;

#ifdef LARIMAR_TEST_ALLOCATIONS
std::atomic<long> allocations_left{-1};
#endif

std::shared_ptr<void> make_chunk(std::size_t bytes) {
  if (allocation_fails()) throw std::bad_alloc();
  void* data = std::aligned_alloc(kPage, bytes);
  if (data == nullptr) throw std::bad_alloc();
#ifdef __linux__
  madvise(data, bytes, MADV_HUGEPAGE);  // where the system refuses, small pages do
#endif
  return {data, std::free};
}

}  // namespace

#ifdef LARIMAR_TEST_ALLOCATIONS
bool allocation_fails() { return allocations_left.load() >= 0 && allocations_left.fetch_sub(1) == 0; }

// Makes the allocation after the next `count` fail, once; a negative count makes none fail.
extern "C" __attribute__((visibility("default"))) void larimar_fail_allocation(long count) { allocations_left = count; }
#endif

LargePiece LargePiece::take(std::size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<void> last;
  static std::size_t used = 0, size = 0;
  if (bytes > PTRDIFF_MAX - kChunk) throw std::bad_alloc();
  bytes = (bytes + 63) / 64 * 64;
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<void> chunk = last.lock();
  if (chunk == nullptr || size - used < bytes) {
    size = (std::max(bytes, kChunk) + kPage - 1) / kPage * kPage;
    chunk = make_chunk(size);
    last = chunk;
    used = 0;
  }
  used += bytes;
  return {static_cast<std::uint8_t*>(chunk.get()) + used - bytes, chunk};
}

}  // namespace larimar
