// What the runtime, and Larimar, call in this library.
#include "attention.hpp"
#include "int4_matmul.hpp"
#include "int8_matmul.hpp"
#include "kernels.hpp"
#include "rows.hpp"

#define EXPORTED extern "C" __attribute__((visibility("default")))

using namespace larimar;

// What the runtime calls when the library is given to a session.
EXPORTED abi::Status* RegisterCustomOps(abi::SessionOptions* options, const abi::ApiBase* base) {
  static const abi::CustomOperator descriptions[] = {
      describe_int4_matmul(), describe_int8_matmul(), describe_attention(),    describe_shared_attention(),
      describe_gated_gelu(),  describe_add_norm(),    describe_normed_heads(), describe_normed_rotary(),
  };
  static abi::Domain* domain = nullptr;  // one for the life of the process: sessions keep no count of it
  const abi::Api* api = base->get_api(abi::kVersion);
  if (api == nullptr) return nullptr;  // older than the interface: the graph will not open, and the caller says so
  if (domain == nullptr) {
    abi::Domain* made = nullptr;
    if (abi::Status* status = abi::create_domain(api, "larimar", &made)) return status;
    for (const abi::CustomOperator& description : descriptions) {
      if (abi::Status* status = abi::add_to_domain(api, made, &description)) return status;
    }
    domain = made;
  }
  return abi::add_domain(api, options, domain);
}

// Whether this processor can run the operators.
EXPORTED int larimar_operators_run_here() {
  return int4_runs_here() && attention_runs_here() && rows_run_here() ? 1 : 0;
}

// Whether products with 8-bit weights are better made by the operators than by the runtime.
EXPORTED int larimar_operators_take_8_bits() { return int8_runs_here() ? 1 : 0; }
