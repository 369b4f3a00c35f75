// ONNX Runtime's operators larimar::Attention and larimar::SharedAttention: what GroupQueryAttention does for one
// sequence, causal, without rotary embedding.
//
// Attention.       Inputs: query, float32 [1, S, H · D]; key and value, [1, S, Hkv · D]; past key and past value,
//                  [1, Hkv, T, D]; position of the last row in these buffers, int32, one element.
//                  Outputs: float32 [1, S, H · D]; present key and value, [1, Hkv, T, D], which may be the past's
//                  buffers: only the new rows are written then.
// SharedAttention. Inputs: query; keys and values as they are in the cache; position. Output: the first.
// Attributes: num_heads, kv_num_heads, window (0: none), scale.
#include <cstring>

#include "attention.hpp"
#include "kernels.hpp"

namespace larimar {
namespace {

class AttentionKernel {
 public:
  AttentionKernel(const abi::Api* api, const abi::KernelInfo* info, bool owns) : api(api), owns_(owns) {
    form_.heads = number(info, "num_heads");
    form_.kv_heads = number(info, "kv_num_heads");
    form_.window = number(info, "window");
    check(abi::float_attribute(api, info, "scale", &form_.scale));
    if (form_.heads == 0 || form_.kv_heads == 0 || form_.heads % form_.kv_heads) refuse(api, kNoFit);
  }

  void compute(abi::Context* context) {
    const std::size_t past = owns_ ? 3 : 1;
    const abi::Value *query = input(api, context, 0), *keys = input(api, context, past);
    const abi::Value *values = input(api, context, past + 1), *last = input(api, context, past + 2);
    const Shape shape = shape_of(api, query), cache = shape_of(api, keys);
    AttentionForm form = form_;
    if (shape.size() != 3 || cache.size() != 4 || shape[0] != 1 || cache[0] != 1 || shape_of(api, values) != cache ||
        cache[1] != static_cast<std::int64_t>(form.kv_heads) || cache[3] % 8 || cache[3] == 0 ||
        shape[2] != cache[3] * static_cast<std::int64_t>(form.heads) || elements(shape_of(api, last)) != 1) {
      refuse(api, kNoFit);
    }
    form.size = static_cast<std::size_t>(cache[3]);
    const std::int64_t rows = shape[1], end = std::int64_t{*data_of<const std::int32_t>(api, last)} + 1;
    if (end < rows || end > cache[2]) refuse(api, kNoFit);
    abi::Value* result = output(api, context, 0, shape);
    CachedStates states{data_of<const float>(api, keys), data_of<const float>(api, values),
                        static_cast<std::size_t>(cache[2])};
    const auto start = static_cast<std::size_t>(end - rows), count = static_cast<std::size_t>(rows);
    if (owns_) {
      states.keys = append(context, 1, cache, states.keys, count, start);
      states.values = append(context, 2, cache, states.values, count, start);
    }
    if (count == 0) return;
    attend(form, data_of<const float>(api, query), count, start, states, data_of<float>(api, result),
           threads_of(api, context));
  }

  const abi::Api* api;

 private:
  static constexpr const char* kNoFit = "Attention: the shapes do not fit together";

  std::size_t number(const abi::KernelInfo* info, const char* name) const {
    std::int64_t value = 0;
    check(abi::integer_attribute(api, info, name, &value));
    if (value < 0) refuse(api, "Attention: an attribute is negative");
    return static_cast<std::size_t>(value);
  }

  // Writes new rows, the input of the output's number, behind the past.
  const float* append(abi::Context* context, std::size_t place, const Shape& cache, const float* past, std::size_t rows,
                      std::size_t start) const {
    const abi::Value* added = input(api, context, place);
    const std::size_t heads = form_.kv_heads, size = static_cast<std::size_t>(cache[3]),
                      capacity = static_cast<std::size_t>(cache[2]);
    if (elements(shape_of(api, added)) != static_cast<std::int64_t>(rows * heads * size)) refuse(api, kNoFit);
    const float* from = data_of<const float>(api, added);
    auto* present = data_of<float>(api, output(api, context, place, cache));
    if (present != past) std::memcpy(present, past, heads * capacity * size * sizeof(float));
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t head = 0; head < heads; ++head) {
        std::memcpy(present + (head * capacity + start + row) * size, from + (row * heads + head) * size,
                    size * sizeof(float));
      }
    }
    return present;
  }

  AttentionForm form_{};
  bool owns_;
};

class OwningKernel : public AttentionKernel {
 public:
  static constexpr const char* kName = "Attention";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32,
                                                 abi::kFloat32, abi::kFloat32, abi::kInt32};
  static constexpr std::size_t kRequiredInputs = 6, kOutputs = 3, kRequiredOutputs = 3;
  OwningKernel(const abi::Api* api, const abi::KernelInfo* info) : AttentionKernel(api, info, true) {}
};

class SharingKernel : public AttentionKernel {
 public:
  static constexpr const char* kName = "SharedAttention";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32, abi::kInt32};
  static constexpr std::size_t kRequiredInputs = 4, kOutputs = 1, kRequiredOutputs = 1;
  SharingKernel(const abi::Api* api, const abi::KernelInfo* info) : AttentionKernel(api, info, false) {}
};

}  // namespace

abi::CustomOperator describe_attention() { return describe<OwningKernel>(); }
abi::CustomOperator describe_shared_attention() { return describe<SharingKernel>(); }

}  // namespace larimar
