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
#include <limits>

#include "attention.hpp"
#include "kernels.hpp"

namespace larimar {
namespace {

constexpr std::int64_t kMostHeads = 1 << 16;
constexpr std::int64_t kMostPositions = std::numeric_limits<std::int32_t>::max();  // as the kernels count them
constexpr std::int64_t kLanes = 8;  // numbers of a register: sizes of heads are multiples of it

class AttentionKernel {
 public:
  AttentionKernel(const Attributes& attributes, bool owns) : owns_(owns) {
    form_.heads = static_cast<std::size_t>(attributes.integer("num_heads", 1, kMostHeads));
    form_.kv_heads = static_cast<std::size_t>(attributes.integer("kv_num_heads", 1, kMostHeads));
    form_.window = static_cast<std::size_t>(attributes.integer("window", 0, kMostPositions));
    form_.scale = attributes.number("scale");
    if (form_.heads % form_.kv_heads) attributes.refuse("num_heads is no multiple of kv_num_heads");
  }

  void compute(const Call& call) const {
    const std::size_t past = owns_ ? 3 : 1;
    const auto query = call.input<float>(0, "query"), keys = call.input<float>(past, "keys");
    const auto values = call.input<float>(past + 1, "values");
    const auto last = call.input<std::int32_t>(past + 2, "position");
    const Dims &rows = query.dims, &cache = keys.dims;
    AttentionForm form = form_;
    if (rows.rank() != 3 || cache.rank() != 4 || rows[0] != 1 || cache[0] != 1 || values.dims != cache ||
        !is_product(cache[1], {form.kv_heads}) || cache[3] == 0 || cache[3] % kLanes ||
        !is_product(rows[2], {form.heads, static_cast<std::size_t>(cache[3])}) || last.count != 1) {
      call.refuse_shapes(query, keys, values, last, "num_heads " + std::to_string(form.heads),
                         "kv_num_heads " + std::to_string(form.kv_heads));
    }
    form.size = static_cast<std::size_t>(cache[3]);
    const std::int64_t end = std::int64_t{*last.data} + 1;
    if (end < rows[1] || end > cache[2] || end > kMostPositions) {
      call.refuse_shapes(query, keys, "position " + std::to_string(*last.data));
    }
    const auto count = static_cast<std::size_t>(rows[1]), start = static_cast<std::size_t>(end) - count;
    CachedStates states{keys.data, values.data, static_cast<std::size_t>(cache[2])};
    float* output = call.output(0, "output", rows);
    if (owns_) {
      const auto key = call.input<float>(1, "key"), value = call.input<float>(2, "value");
      const Dims added{1, rows[1], cache[1] * cache[3]};  // their product is no overflow: H · D is none
      if (key.dims != added || value.dims != added) call.refuse_shapes(query, key, value, keys);
      states.keys = append(call.output(1, "present key", cache), keys, key, count, start);
      states.values = append(call.output(2, "present value", cache), values, value, count, start);
    }
    if (count != 0) attend(form, query.data, count, start, states, output, call.threads());
  }

 private:
  // Writes new rows behind the past, which may be the present's own buffer.
  static const float* append(float* present, const Tensor<float>& past, const Tensor<float>& added, std::size_t rows,
                             std::size_t start) {
    const Dims& cache = past.dims;
    const auto heads = static_cast<std::size_t>(cache[1]), capacity = static_cast<std::size_t>(cache[2]),
               size = static_cast<std::size_t>(cache[3]);
    if (present != past.data && past.count != 0) std::memmove(present, past.data, past.count * sizeof(float));
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t head = 0; head < heads; ++head) {
        std::memmove(present + (head * capacity + start + row) * size, added.data + (row * heads + head) * size,
                     size * sizeof(float));
      }
    }
    return present;
  }

  AttentionForm form_{};
  const bool owns_;
};

class OwningKernel : public AttentionKernel {
 public:
  static constexpr const char* kName = "Attention";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32,
                                                 abi::kFloat32, abi::kFloat32, abi::kInt32};
  static constexpr std::size_t kRequiredInputs = 6, kOutputs = 3, kRequiredOutputs = 3;
  explicit OwningKernel(const Attributes& attributes) : AttentionKernel(attributes, true) {}
};

class SharingKernel : public AttentionKernel {
 public:
  static constexpr const char* kName = "SharedAttention";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32, abi::kInt32};
  static constexpr std::size_t kRequiredInputs = 4, kOutputs = 1, kRequiredOutputs = 1;
  explicit SharingKernel(const Attributes& attributes) : AttentionKernel(attributes, false) {}
};

}  // namespace

abi::CustomOperator describe_attention() { return describe<OwningKernel>(); }
abi::CustomOperator describe_shared_attention() { return describe<SharingKernel>(); }

}  // namespace larimar
