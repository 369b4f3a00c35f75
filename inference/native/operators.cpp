// What the runtime, and Larimar, call in this library.
#include <mutex>

#include "attention.hpp"
#include "int4_matmul.hpp"
#include "int8_matmul.hpp"
#include "kernels.hpp"
#include "rows.hpp"

#define EXPORTED extern "C" __attribute__((visibility("default")))

using namespace larimar;

namespace {

bool run_here() { return int4_runs_here() && attention_runs_here() && rows_run_here(); }

// The domain of the operators, one for the life of the process: sessions keep no count of it.
abi::Domain* domain_of(const abi::Api* api) {
  static const abi::CustomOperator descriptions[] = {
      describe_int4_matmul(), describe_int8_matmul(), describe_attention(),    describe_shared_attention(),
      describe_gated_gelu(),  describe_add_norm(),    describe_normed_heads(), describe_normed_rotary(),
  };
  static std::mutex mutex;
  static abi::Domain* domain = nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  if (domain == nullptr) {
    abi::Domain* made = nullptr;
    check(abi::create_domain(api, "larimar", &made));
    for (const abi::CustomOperator& description : descriptions) check(abi::add_to_domain(api, made, &description));
    domain = made;
  }
  return domain;
}

}  // namespace

// What the runtime calls when the library is given to a session.
EXPORTED abi::Status* RegisterCustomOps(abi::SessionOptions* options, const abi::ApiBase* base) {
  const abi::Api* api = base->get_api(abi::kVersion);
  if (api == nullptr) return nullptr;  // older than the interface: the graph will not open, and the caller says so
  return guarded(api, [&] {
    if (!run_here()) throw Refusal("this processor lacks AVX2, which Larimar's operators need");
    check(abi::add_domain(api, options, domain_of(api)));
  });
}

// Whether this processor can run the operators.
EXPORTED int larimar_operators_run_here() {
  return run_here() ? 1 : 0;
}

// Whether products with 8-bit weights are better made by the operators than by the runtime.
EXPORTED int larimar_operators_take_8_bits() { return int8_runs_here() ? 1 : 0; }
