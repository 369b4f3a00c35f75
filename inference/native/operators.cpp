// ONNX Runtime's operator larimar::Int4MatMul: the product of MatMulNBits with 4 bits, blocks of 32 and no zero points.
//
// Inputs: rows, float32 [..., K]; weights, uint8 [N, K / 32, 16]; scales, float32 with N · K / 32 elements.
// Output: float32 [..., N].
#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "int4_matmul.hpp"
#include "onnxruntime_abi.hpp"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

using namespace larimar;

using Shape = std::vector<std::int64_t>;

// A complaint of the runtime's on its way out.
struct Failure {
  abi::Status* status;
};

void check(abi::Status* status) {
  if (status != nullptr) throw Failure{status};
}

Shape shape_of(const abi::Api* api, const abi::Value* value) {
  abi::Info* info = nullptr;
  check(abi::tensor_info(api, value, &info));
  std::size_t rank = 0;
  abi::Status* status = abi::rank(api, info, &rank);
  Shape shape(rank);
  if (status == nullptr) status = abi::dimensions(api, info, shape.data(), rank);
  abi::release_info(api, info);
  check(status);
  return shape;
}

std::int64_t elements(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

template <typename T>
T* data_of(const abi::Api* api, const abi::Value* value) {
  void* data = nullptr;
  check(abi::tensor_data(api, const_cast<abi::Value*>(value), &data));
  return static_cast<T*>(data);
}

void multiply_inputs(const abi::Api* api, abi::Context* context) {
  const abi::Value* inputs[3] = {};
  for (std::size_t place = 0; place < 3; ++place) check(abi::input(api, context, place, &inputs[place]));
  Shape shape = shape_of(api, inputs[0]);
  const Shape weights = shape_of(api, inputs[1]);
  if (shape.empty() || weights.size() != 3 || weights[2] != 16 || shape.back() != weights[1] * 32 ||
      elements(shape_of(api, inputs[2])) != weights[0] * weights[1]) {
    throw Failure{abi::create_status(api, abi::kInvalidArgument, "Int4MatMul: the shapes do not fit together")};
  }
  const auto k = static_cast<std::size_t>(shape.back());
  const Int4Matrix matrix{data_of<const std::uint8_t>(api, inputs[1]), data_of<const float>(api, inputs[2]),
                          static_cast<std::size_t>(weights[0]), k};
  shape.back() = weights[0];
  abi::Value* product = nullptr;
  check(abi::output(api, context, 0, shape.data(), shape.size(), &product));
  if (k == 0 || elements(shape) == 0) return;
  const auto rows = static_cast<std::size_t>(elements(shape) / weights[0]);
  const ParallelFor parallel = [&](std::size_t count, const std::function<void(std::size_t)>& function) {
    if (count <= 1) {
      if (count == 1) function(0);
      return;
    }
    const auto call = [](void* data, std::size_t index) {
      (*static_cast<const std::function<void(std::size_t)>*>(data))(index);
    };
    check(abi::parallel_for(api, context, call, count, 0, const_cast<void*>(static_cast<const void*>(&function))));
  };
  multiply(data_of<const float>(api, inputs[0]), rows, matrix, data_of<float>(api, product), parallel);
}

abi::Status* compute(void* kernel, abi::Context* context) {
  const auto* api = static_cast<const abi::Api*>(kernel);
  try {
    multiply_inputs(api, context);
    return nullptr;
  } catch (const Failure& failure) {
    return failure.status;
  } catch (const std::exception& error) {  // what() of a failed allocation is what the engine looks for
    return abi::create_status(api, abi::kFail, error.what());
  }
}

abi::CustomOperator describe() {
  using Operator = abi::CustomOperator;
  const auto one = [](const Operator*) { return 1; };
  const auto required = [](const Operator*, std::size_t) { return 0; };
  Operator description;
  description.name = [](const Operator*) { return "Int4MatMul"; };
  description.execution_provider = [](const Operator*) { return "CPUExecutionProvider"; };
  description.input_count = [](const Operator*) -> std::size_t { return 3; };
  description.input_type = [](const Operator*, std::size_t place) { return place == 1 ? abi::kUint8 : abi::kFloat32; };
  description.output_count = [](const Operator*) -> std::size_t { return 1; };
  description.output_type = [](const Operator*, std::size_t) { return abi::kFloat32; };
  description.input_characteristic = description.output_characteristic = description.input_memory_type = required;
  description.variadic_input_least = description.variadic_input_homogeneous = one;
  description.variadic_output_least = description.variadic_output_homogeneous = one;
  // the kernel has no state but the way to the runtime
  description.create_kernel_v2 = [](const Operator*, const abi::Api* api, const abi::KernelInfo*, void** kernel) {
    *kernel = const_cast<abi::Api*>(api);
    return static_cast<abi::Status*>(nullptr);
  };
  description.compute_v2 = compute;
  description.destroy_kernel = [](void*) {};
  description.start_version = one;
  description.end_version = [](const Operator*) { return 1; };
  return description;
}

}  // namespace

// What the runtime calls when the library is given to a session.
EXPORTED abi::Status* RegisterCustomOps(abi::SessionOptions* options, const abi::ApiBase* base) {
  static const abi::CustomOperator description = describe();
  static abi::Domain* domain = nullptr;  // one for the life of the process: sessions keep no count of it
  const abi::Api* api = base->get_api(abi::kVersion);
  if (api == nullptr) return nullptr;  // older than the interface: the graph will not open, and the caller says so
  if (domain == nullptr) {
    abi::Domain* made = nullptr;
    if (abi::Status* status = abi::create_domain(api, "larimar", &made)) return status;
    if (abi::Status* status = abi::add_to_domain(api, made, &description)) return status;
    domain = made;
  }
  return abi::add_domain(api, options, domain);
}

// Whether this processor can run the operators.
EXPORTED int larimar_operators_run_here() { return can_multiply() ? 1 : 0; }
