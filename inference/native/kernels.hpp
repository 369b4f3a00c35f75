// What the operators' kernels share: shapes, data and threads of the runtime, and how failures go back to it.
#pragma once

#include <cstdint>
#include <exception>
#include <vector>

#include "memory.hpp"
#include "onnxruntime_abi.hpp"

namespace larimar {

using Shape = std::vector<std::int64_t>;

// A complaint of the runtime's on its way out.
struct Failure {
  abi::Status* status;
};

inline void check(abi::Status* status) {
  if (status != nullptr) throw Failure{status};
}

[[noreturn]] inline void refuse(const abi::Api* api, const char* why) {
  throw Failure{abi::create_status(api, abi::kInvalidArgument, why)};
}

// Calls a function and returns what it fails with, for the runtime; null if it does not.
template <typename Function>
abi::Status* guarded(const abi::Api* api, const Function& function) {
  try {
    function();
    return nullptr;
  } catch (const Failure& failure) {
    return failure.status;
  } catch (const std::exception& error) {  // what() of a failed allocation is what the engine looks for
    return abi::create_status(api, abi::kFail, error.what());
  }
}

inline Shape shape_of(const abi::Api* api, const abi::Value* value) {
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

inline std::int64_t elements(const Shape& shape) {
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

inline const abi::Value* input(const abi::Api* api, const abi::Context* context, std::size_t place) {
  const abi::Value* value = nullptr;
  check(abi::input(api, context, place, &value));
  return value;
}

// Null where the input was left out.
inline const abi::Value* optional_input(const abi::Api* api, const abi::Context* context, std::size_t place) {
  std::size_t count = 0;
  check(abi::input_count(api, context, &count));
  return place < count ? input(api, context, place) : nullptr;
}

inline abi::Value* output(const abi::Api* api, abi::Context* context, std::size_t place, const Shape& shape) {
  abi::Value* value = nullptr;
  check(abi::output(api, context, place, shape.data(), shape.size(), &value));
  return value;
}

// The runtime's threads. One call alone is made here.
inline ParallelFor threads_of(const abi::Api* api, const abi::Context* context) {
  return [=](std::size_t count, const std::function<void(std::size_t)>& function) {
    if (count <= 1) {
      if (count == 1) function(0);
      return;
    }
    const auto call = [](void* data, std::size_t index) {
      (*static_cast<const std::function<void(std::size_t)>*>(data))(index);
    };
    check(abi::parallel_for(api, context, call, count, 0, const_cast<void*>(static_cast<const void*>(&function))));
  };
}

// What an operator of this library is for the runtime: a kernel class K with a constructor from (Api, KernelInfo), a
// function compute(Context) and its constants. Inputs and outputs behind the required ones may be left out.
template <typename K>
abi::CustomOperator describe() {
  using Operator = abi::CustomOperator;
  const auto one = [](const Operator*) { return 1; };
  const auto plain = [](const Operator*, std::size_t) { return 0; };
  Operator description;
  description.name = [](const Operator*) { return K::kName; };
  description.execution_provider = [](const Operator*) { return "CPUExecutionProvider"; };
  description.input_count = [](const Operator*) { return std::size(K::kInputs); };
  description.input_type = [](const Operator*, std::size_t place) { return K::kInputs[place]; };
  description.output_count = [](const Operator*) { return K::kOutputs; };
  description.output_type = [](const Operator*, std::size_t) { return abi::kFloat32; };
  description.input_characteristic = [](const Operator*, std::size_t place) {
    return place < K::kRequiredInputs ? 0 : 1;
  };
  description.output_characteristic = [](const Operator*, std::size_t place) {
    return place < K::kRequiredOutputs ? 0 : 1;
  };
  description.input_memory_type = plain;
  description.variadic_input_least = description.variadic_input_homogeneous = one;
  description.variadic_output_least = description.variadic_output_homogeneous = one;
  description.create_kernel_v2 = [](const Operator*, const abi::Api* api, const abi::KernelInfo* info, void** kernel) {
    return guarded(api, [&] { *kernel = new K(api, info); });
  };
  description.compute_v2 = [](void* data, abi::Context* context) {
    auto* kernel = static_cast<K*>(data);
    return guarded(kernel->api, [&] { kernel->compute(context); });
  };
  description.destroy_kernel = [](void* kernel) { delete static_cast<K*>(kernel); };
  description.start_version = one;
  description.end_version = one;
  return description;
}

// The operators of the library.
abi::CustomOperator describe_int4_matmul();
abi::CustomOperator describe_int8_matmul();
abi::CustomOperator describe_attention();
abi::CustomOperator describe_shared_attention();
abi::CustomOperator describe_gated_gelu();
abi::CustomOperator describe_add_norm();
abi::CustomOperator describe_normed_heads();
abi::CustomOperator describe_normed_rotary();

}  // namespace larimar
