// What the operators' kernels share: attributes, inputs and outputs, all checked before a kernel sees them; the runtime's
// threads; and how failures go back to it. Nothing is thrown through the runtime, which is called and calls in C.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>

#include "checked.hpp"
#include "memory.hpp"
#include "onnxruntime_abi.hpp"

namespace larimar {

// A complaint of the runtime's on its way out.
struct Failure {
  abi::Status* status;
};

inline void check(abi::Status* status) {
  if (status != nullptr) throw Failure{status};
}

// Calls a function and returns what it fails with, for the runtime; null if it does not.
template <typename Function>
abi::Status* guarded(const abi::Api* api, const Function& function) noexcept {
  try {
    function();
    return nullptr;
  } catch (const Failure& failure) {
    return failure.status;
  } catch (const Refusal& refusal) {
    return abi::create_status(api, abi::kInvalidArgument, refusal.what());
  } catch (const std::exception& error) {  // what() of a failed allocation is what the engine looks for
    return abi::create_status(api, abi::kFail, error.what());
  } catch (...) {
    return abi::create_status(api, abi::kFail, "an operator of Larimar's failed");
  }
}

template <typename T>
constexpr abi::ElementType kElementType = abi::kFloat32;
template <>
constexpr abi::ElementType kElementType<std::uint8_t> = abi::kUint8;
template <>
constexpr abi::ElementType kElementType<std::int32_t> = abi::kInt32;
template <>
constexpr abi::ElementType kElementType<std::int64_t> = abi::kInt64;

// An input that was checked: it is there, of this type, aligned, and no larger than memory can be.
template <typename T>
struct Tensor {
  explicit Tensor(const char* given) : name(given) {}
  const char* name;
  bool present = false;
  const T* data = nullptr;  // may be null where there are no elements
  Aligned<T> copy;          // of the elements, where they lie at an odd address, as those of a file may
  Dims dims;
  std::size_t count = 0;  // of elements

  std::string text() const { return present ? std::string(name) + " " + dims.text() : std::string(name) + " missing"; }
};

template <typename T>
bool is_aligned(const void* data) {
  return reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0;
}

// Checks and returns a value of the runtime's. Throws Refusal.
template <typename T>
Tensor<T> read_tensor(const abi::Api* api, const char* operator_name, const char* name, const abi::Value* value) {
  const auto refuse = [&](const char* why) { throw Refusal(std::string(operator_name) + ": " + name + " " + why); };
  int is_tensor = 0;
  if (value != nullptr) check(abi::is_tensor(api, value, &is_tensor));
  if (!is_tensor) refuse("is missing");
  abi::Info* info = nullptr;
  check(abi::tensor_info(api, value, &info));
  struct Release {
    const abi::Api* api;
    abi::Info* info;
    ~Release() { abi::release_info(api, info); }
  } release{api, info};
  abi::ElementType type{};
  check(abi::element_type(api, info, &type));
  if (type != kElementType<T>) refuse("has another element type than the operator takes");
  std::size_t rank = 0;
  check(abi::rank(api, info, &rank));
  Tensor<T> tensor(name);
  tensor.present = true;
  tensor.dims = Dims(rank);
  check(abi::dimensions(api, info, tensor.dims.data(), rank));
  if (!tensor.dims.count(sizeof(T), &tensor.count)) refuse("is larger than memory");
  void* data = nullptr;
  check(abi::tensor_data(api, const_cast<abi::Value*>(value), &data));
  tensor.data = static_cast<const T*>(data);
  if (tensor.count != 0 && data == nullptr) refuse("has no data");
  if (!is_aligned<T>(data) && tensor.count != 0) {
    tensor.copy = Aligned<T>(tensor.count);
    std::memcpy(tensor.copy.data, data, tensor.count * sizeof(T));
    tensor.data = tensor.copy.data;
  }
  return tensor;
}

// Attributes of a node, and inputs that are known to never change.
class Attributes {
 public:
  Attributes(const abi::Api* api, const abi::KernelInfo* info, const char* operator_name)
      : api_(api), info_(info), operator_name_(operator_name) {}

  // Throws Refusal where the value lies outside the bounds, which are allowed themselves.
  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most) const {
    std::int64_t value = 0;
    check(abi::integer_attribute(api_, info_, name, &value));
    if (value < least || value > most) {
      refuse(std::string(name) + " is " + std::to_string(value) + ", not from " + std::to_string(least) + " to " +
             std::to_string(most));
    }
    return value;
  }

  // Throws Refusal where the value is not finite.
  float number(const char* name) const {
    float value = 0;
    check(abi::float_attribute(api_, info_, name, &value));
    if (!std::isfinite(value)) refuse(std::string(name) + " is not finite");
    return value;
  }

  // Returns an input that is an initializer which nothing can replace; one that is not present for any other.
  template <typename T>
  Tensor<T> constant(std::size_t place, const char* name) const {
    int is_constant = 0;
    const abi::Value* value = nullptr;
    check(abi::constant_input(api_, info_, place, &is_constant, &value));
    return is_constant ? read_tensor<T>(api_, operator_name_, name, value) : Tensor<T>(name);
  }

  [[noreturn]] void refuse(const std::string& why) const { throw Refusal(std::string(operator_name_) + ": " + why); }

 private:
  const abi::Api* api_;
  const abi::KernelInfo* info_;
  const char* operator_name_;
};

// One run of a kernel.
class Call {
 public:
  Call(const abi::Api* api, abi::Context* context, const char* operator_name)
      : api_(api), context_(context), operator_name_(operator_name) {}

  template <typename T>
  Tensor<T> input(std::size_t place, const char* name) const {
    return read_tensor<T>(api_, operator_name_, name, value(place));
  }

  template <typename T>
  Tensor<T> optional_input(std::size_t place, const char* name) const {
    const abi::Value* given = value(place);
    return given == nullptr ? Tensor<T>(name) : read_tensor<T>(api_, operator_name_, name, given);
  }

  // Returns where to write a float32 output, null where it has no elements. Throws Refusal where the node lacks it.
  float* output(std::size_t place, const char* name, const Dims& dims) const {
    abi::Value* made = make(place, dims);
    if (made == nullptr) throw Refusal(std::string(operator_name_) + ": the output " + name + " is missing");
    void* data = nullptr;
    check(abi::tensor_data(api_, made, &data));
    if (!is_aligned<float>(data)) throw Refusal(std::string(operator_name_) + ": the output " + name + " is not aligned");
    return static_cast<float*>(data);
  }

  // Whether the node names an output that may be left out. It is made for that, so that a yes has to be a refusal.
  bool has_output(std::size_t place, const Dims& dims) const { return make(place, dims) != nullptr; }

  // Throws the Refusal for inputs of shapes that contradict each other or the attributes.
  template <typename... Parts>
  [[noreturn]] void refuse_shapes(const Parts&... parts) const {
    std::string all;
    ((all += all.empty() ? "" : ", ", all += text(parts)), ...);
    throw Refusal(std::string(operator_name_) + ": the shapes do not fit together: " + all);
  }

  // The runtime's threads. One call alone is made here. What a call throws is thrown here, once all are over.
  ParallelFor threads() const {
    return [api = api_, context = context_](std::size_t count, const std::function<void(std::size_t)>& function) {
      if (count <= 1) {
        if (count == 1) function(0);
        return;
      }
      Jobs jobs{function, {}, nullptr};
      check(abi::parallel_for(api, context, Jobs::run, count, 0, &jobs));
      if (jobs.error) std::rethrow_exception(jobs.error);
    };
  }

 private:
  struct Jobs {
    const std::function<void(std::size_t)>& function;
    std::mutex mutex;
    std::exception_ptr error;

    static void run(void* data, std::size_t index) noexcept {
      Jobs& jobs = *static_cast<Jobs*>(data);
      try {
        jobs.function(index);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(jobs.mutex);
        if (!jobs.error) jobs.error = std::current_exception();
      }
    }
  };

  template <typename T>
  static std::string text(const Tensor<T>& tensor) {
    return tensor.text();
  }
  static std::string text(const std::string& words) { return words; }

  // Null where the input was left out.
  const abi::Value* value(std::size_t place) const {
    std::size_t count = 0;
    check(abi::input_count(api_, context_, &count));
    const abi::Value* given = nullptr;
    if (place < count) check(abi::input(api_, context_, place, &given));
    return given;
  }

  abi::Value* make(std::size_t place, const Dims& dims) const {
    std::size_t count = 0, elements = 0;
    check(abi::output_count(api_, context_, &count));
    if (place >= count) return nullptr;
    if (!dims.count(sizeof(float), &elements)) {
      throw Refusal(std::string(operator_name_) + ": an output would be larger than memory: " + dims.text());
    }
    abi::Value* made = nullptr;
    check(abi::output(api_, context_, place, dims.data(), dims.rank(), &made));
    return made;
  }

  const abi::Api* api_;
  abi::Context* context_;
  const char* operator_name_;
};

// What an operator of this library is for the runtime: a kernel class K with a constructor from Attributes, a function
// compute(Call) and its constants. Several threads may be in compute() of one kernel at a time. Inputs and outputs behind
// the required ones may be left out.
template <typename K>
abi::CustomOperator describe() {
  using Operator = abi::CustomOperator;
  struct Created {
    Created(const abi::Api* given, const abi::KernelInfo* info) : api(given), kernel({given, info, K::kName}) {}
    const abi::Api* api;
    K kernel;
  };
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
    return guarded(api, [&] { *kernel = new Created(api, info); });
  };
  description.compute_v2 = [](void* data, abi::Context* context) {
    auto* created = static_cast<Created*>(data);
    return guarded(created->api, [&] { created->kernel.compute(Call(created->api, context, K::kName)); });
  };
  description.destroy_kernel = [](void* kernel) { delete static_cast<Created*>(kernel); };
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
