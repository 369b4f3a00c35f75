#include "int4_matmul.hpp"

#include <cstdlib>
#include <cstring>

namespace larimar {
namespace {

// LARIMAR_NATIVE_AVX512=0 is for tests of the other kind on a processor that has both.
bool wants_avx512() {
  const char* set = std::getenv("LARIMAR_NATIVE_AVX512");
  return avx512_runs_here() && (set == nullptr || std::strcmp(set, "0") != 0);
}

}  // namespace

bool int4_runs_here() { return avx512_runs_here() || avx2_runs_here(); }

std::unique_ptr<Int4Product> Int4Product::make(const Int4Matrix& matrix) {
  return wants_avx512() ? make_avx512(matrix) : make_avx2(matrix);
}

}  // namespace larimar
