#include "large_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace larimar {
namespace {

constexpr std::size_t kPage = 2 << 20;
constexpr std::size_t kChunk = 64 << 20;

std::shared_ptr<void> make_chunk(std::size_t bytes) {
  void* data = std::aligned_alloc(kPage, bytes);
  if (data == nullptr) throw std::bad_alloc();
#ifdef __linux__
  madvise(data, bytes, MADV_HUGEPAGE);  // where the system refuses, small pages do
#endif
  return {data, std::free};
}

}  // namespace

LargePiece LargePiece::take(std::size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<void> last;
  static std::size_t used = 0, size = 0;
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
