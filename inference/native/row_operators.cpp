// ONNX Runtime's operators for what lies between products, all float32:
//
// GatedGelu.    Inputs: gates, others, of one shape. Output: gelu(gates) · others.
// AddNorm.      Inputs: rows [..., W]; weight [W]; residual, of the rows' shape; factor, one element, or nothing; second
//               weight [W], or nothing. Outputs: (residual + norm(rows) · weight) · factor; with a second weight, the
//               norm of that times it. Attribute: epsilon.
// NormedHeads.  Inputs: states [..., heads · D]; weight [D]. Output: the norm of each head times the weight. Attributes:
//               num_heads, epsilon.
// NormedRotary. The same, and then turned: inputs: also positions, int64, one for each row; cosines and sines [P, A].
#include <cstdint>

#include "kernels.hpp"
#include "rows.hpp"

namespace larimar {
namespace {

constexpr const char* kNoFit = "the shapes of norms, gates or rotary embedding do not fit together";

std::size_t count_of(const abi::Api* api, const abi::Value* value) {
  return value == nullptr ? 0 : static_cast<std::size_t>(elements(shape_of(api, value)));
}

float epsilon_of(const abi::Api* api, const abi::KernelInfo* info) {
  float epsilon = 0;
  check(abi::float_attribute(api, info, "epsilon", &epsilon));
  return epsilon;
}

class GatedGelu {
 public:
  static constexpr const char* kName = "GatedGelu";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 2, kOutputs = 1, kRequiredOutputs = 1;
  GatedGelu(const abi::Api* api, const abi::KernelInfo*) : api(api) {}

  void compute(abi::Context* context) const {
    const abi::Value *gates = input(api, context, 0), *others = input(api, context, 1);
    const Shape shape = shape_of(api, gates);
    const std::size_t count = count_of(api, gates);
    if (shape_of(api, others) != shape || count % 8) refuse(api, kNoFit);
    gate_rows(data_of<const float>(api, gates), data_of<const float>(api, others), count,
              data_of<float>(api, output(api, context, 0, shape)), threads_of(api, context));
  }

  const abi::Api* api;
};

class AddNorm {
 public:
  static constexpr const char* kName = "AddNorm";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32, abi::kFloat32,
                                                 abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 3, kOutputs = 2, kRequiredOutputs = 1;
  AddNorm(const abi::Api* api, const abi::KernelInfo* info) : api(api), epsilon_(epsilon_of(api, info)) {}

  void compute(abi::Context* context) const {
    const abi::Value *rows = input(api, context, 0), *weight = input(api, context, 1);
    const abi::Value *residual = input(api, context, 2), *factor = optional_input(api, context, 3);
    const abi::Value* after = optional_input(api, context, 4);
    const Shape shape = shape_of(api, rows);
    const std::size_t count = count_of(api, rows), width = count_of(api, weight);
    if (shape.empty() || width == 0 || width % 8 || shape.back() != static_cast<std::int64_t>(width) ||
        shape_of(api, residual) != shape || (factor && count_of(api, factor) != 1) ||
        (after && count_of(api, after) != width)) {
      refuse(api, kNoFit);
    }
    const Sum what{data_of<const float>(api, weight), data_of<const float>(api, residual),
                   factor ? *data_of<const float>(api, factor) : 1.0f,
                   after ? data_of<const float>(api, after) : nullptr, epsilon_};
    auto* sum = data_of<float>(api, output(api, context, 0, shape));
    auto* normed = after ? data_of<float>(api, output(api, context, 1, shape)) : nullptr;
    add_norm(data_of<const float>(api, rows), count / width, width, what, sum, normed, threads_of(api, context));
  }

  const abi::Api* api;

 private:
  float epsilon_;
};

class HeadKernel {
 public:
  static constexpr std::size_t kOutputs = 1, kRequiredOutputs = 1;
  HeadKernel(const abi::Api* api, const abi::KernelInfo* info) : api(api), epsilon_(epsilon_of(api, info)) {
    check(abi::integer_attribute(api, info, "num_heads", &heads_));
    if (heads_ < 1) refuse(api, kNoFit);
  }

  void compute_heads(abi::Context* context, bool turns) const {
    const abi::Value *states = input(api, context, 0), *weight = input(api, context, 1);
    const Shape shape = shape_of(api, states);
    const std::size_t size = count_of(api, weight), heads = static_cast<std::size_t>(heads_);
    if (shape.empty() || size == 0 || size % 8 || shape.back() != static_cast<std::int64_t>(heads * size)) {
      refuse(api, kNoFit);
    }
    const std::size_t rows = count_of(api, states) / (heads * size);
    Turn turn{heads, nullptr, nullptr, nullptr, 0};
    if (turns) {
      const abi::Value *positions = input(api, context, 2), *cosines = input(api, context, 3);
      const abi::Value* sines = input(api, context, 4);
      const Shape angles = shape_of(api, cosines);
      turn = {heads, data_of<const std::int64_t>(api, positions), data_of<const float>(api, cosines),
              data_of<const float>(api, sines), 0};
      if (angles.size() != 2 || shape_of(api, sines) != angles ||
          2 * angles[1] > static_cast<std::int64_t>(size) || count_of(api, positions) != rows) {
        refuse(api, kNoFit);
      }
      turn.angles = static_cast<std::size_t>(angles[1]);
      for (std::size_t row = 0; row < rows; ++row) {
        if (turn.positions[row] < 0 || turn.positions[row] >= angles[0]) refuse(api, kNoFit);
      }
    }
    norm_heads(data_of<const float>(api, states), rows, size, data_of<const float>(api, weight), epsilon_, turn,
               data_of<float>(api, output(api, context, 0, shape)), threads_of(api, context));
  }

  const abi::Api* api;

 private:
  float epsilon_;
  std::int64_t heads_ = 0;
};

class NormedHeads : public HeadKernel {
 public:
  static constexpr const char* kName = "NormedHeads";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 2;
  using HeadKernel::HeadKernel;
  void compute(abi::Context* context) const { compute_heads(context, false); }
};

class NormedRotary : public HeadKernel {
 public:
  static constexpr const char* kName = "NormedRotary";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kInt64, abi::kFloat32,
                                                 abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 5;
  using HeadKernel::HeadKernel;
  void compute(abi::Context* context) const { compute_heads(context, true); }
};

}  // namespace

abi::CustomOperator describe_gated_gelu() { return describe<GatedGelu>(); }
abi::CustomOperator describe_add_norm() { return describe<AddNorm>(); }
abi::CustomOperator describe_normed_heads() { return describe<NormedHeads>(); }
abi::CustomOperator describe_normed_rotary() { return describe<NormedRotary>(); }

}  // namespace larimar
