// The few entries of ONNX Runtime's C interface that an operator needs, declared here so that the library builds without
// the runtime's headers, which its Python packages do not carry. The interface only ever grows at its end
// (https://onnxruntime.ai/docs/reference/compatibility.html), so that the places below hold for every later version.
#pragma once

#include <cstddef>
#include <cstdint>

namespace larimar::abi {

constexpr std::uint32_t kVersion = 17;  // of the interface: the first with ParallelFor

struct Api;
struct Context;
struct Domain;
struct Info;
struct KernelInfo;
struct SessionOptions;
struct ShapeInference;
struct Status;  // null is success
struct Value;

struct ApiBase {
  const Api* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

enum ErrorCode : int { kFail = 1, kInvalidArgument = 2 };
enum ElementType : int { kFloat32 = 1, kUint8 = 2, kInt32 = 6, kInt64 = 7 };

// Entries of the table that an Api is: the place, and the function there. Inputs and outputs that a node leaves out are
// null.
template <std::size_t kPlace, typename Result, typename... Arguments>
struct Entry {
  Result operator()(const Api* api, Arguments... arguments) const {
    using Function = Result (*)(Arguments...);
    return reinterpret_cast<const Function*>(api)[kPlace](arguments...);
  }
};

inline constexpr Entry<0, Status*, ErrorCode, const char*> create_status;
inline constexpr Entry<26, Status*, const char*, Domain**> create_domain;
inline constexpr Entry<27, Status*, Domain*, const struct CustomOperator*> add_to_domain;
inline constexpr Entry<28, Status*, SessionOptions*, Domain*> add_domain;
inline constexpr Entry<50, Status*, const Value*, int*> is_tensor;
inline constexpr Entry<51, Status*, Value*, void**> tensor_data;
inline constexpr Entry<60, Status*, const Info*, ElementType*> element_type;
inline constexpr Entry<61, Status*, const Info*, std::size_t*> rank;
inline constexpr Entry<62, Status*, const Info*, std::int64_t*, std::size_t> dimensions;
inline constexpr Entry<65, Status*, const Value*, Info**> tensor_info;
inline constexpr Entry<85, Status*, const KernelInfo*, const char*, float*> float_attribute;
inline constexpr Entry<86, Status*, const KernelInfo*, const char*, std::int64_t*> integer_attribute;
inline constexpr Entry<88, Status*, const Context*, std::size_t*> input_count;
inline constexpr Entry<89, Status*, const Context*, std::size_t*> output_count;
inline constexpr Entry<90, Status*, const Context*, std::size_t, const Value**> input;
inline constexpr Entry<91, Status*, Context*, std::size_t, const std::int64_t*, std::size_t, Value**> output;
inline constexpr Entry<99, void, Info*> release_info;
inline constexpr Entry<249, Status*, const KernelInfo*, std::size_t, int*, const Value**> constant_input;
inline constexpr Entry<274, Status*, const Context*, void (*)(void*, std::size_t), std::size_t, std::size_t, void*>
    parallel_for;

// What describes an operator. Names are the interface's; those without a use here are null.
struct CustomOperator {
  std::uint32_t version = kVersion;
  void* (*create_kernel)(const CustomOperator*, const Api*, const KernelInfo*) = nullptr;
  const char* (*name)(const CustomOperator*) = nullptr;
  const char* (*execution_provider)(const CustomOperator*) = nullptr;
  ElementType (*input_type)(const CustomOperator*, std::size_t) = nullptr;
  std::size_t (*input_count)(const CustomOperator*) = nullptr;
  ElementType (*output_type)(const CustomOperator*, std::size_t) = nullptr;
  std::size_t (*output_count)(const CustomOperator*) = nullptr;
  void (*compute)(void*, Context*) = nullptr;
  void (*destroy_kernel)(void*) = nullptr;
  int (*input_characteristic)(const CustomOperator*, std::size_t) = nullptr;  // 0: required, 1: optional
  int (*output_characteristic)(const CustomOperator*, std::size_t) = nullptr;  // the same
  int (*input_memory_type)(const CustomOperator*, std::size_t) = nullptr;  // 0: the provider's
  int (*variadic_input_least)(const CustomOperator*) = nullptr;
  int (*variadic_input_homogeneous)(const CustomOperator*) = nullptr;
  int (*variadic_output_least)(const CustomOperator*) = nullptr;
  int (*variadic_output_homogeneous)(const CustomOperator*) = nullptr;
  Status* (*create_kernel_v2)(const CustomOperator*, const Api*, const KernelInfo*, void**) = nullptr;
  Status* (*compute_v2)(void*, Context*) = nullptr;
  Status* (*infer_shape)(const CustomOperator*, ShapeInference*) = nullptr;
  int (*start_version)(const CustomOperator*) = nullptr;
  int (*end_version)(const CustomOperator*) = nullptr;
  void* later_versions[4] = {};
};

}  // namespace larimar::abi
