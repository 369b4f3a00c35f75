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

constexpr std::size_t kLanes = 8;  // numbers of a register: widths are multiples of it
constexpr std::int64_t kMostHeads = 1 << 16;

// Added to a mean of squares: never negative, so that there is no root of less than nothing.
float epsilon_of(const Attributes& attributes) {
  const float epsilon = attributes.number("epsilon");
  if (epsilon < 0) attributes.refuse("epsilon is negative");
  return epsilon;
}

// Whether a tensor is the weight of a norm, [W].
bool is_weight(const Tensor<float>& weight) {
  return weight.dims.rank() == 1 && weight.count != 0 && weight.count % kLanes == 0;
}

class GatedGelu {
 public:
  static constexpr const char* kName = "GatedGelu";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 2, kOutputs = 1, kRequiredOutputs = 1;
  explicit GatedGelu(const Attributes&) {}

  void compute(const Call& call) const {
    const auto gates = call.input<float>(0, "gates"), others = call.input<float>(1, "others");
    if (others.dims != gates.dims || gates.count % kLanes) call.refuse_shapes(gates, others);
    gate_rows(gates.data, others.data, gates.count, call.output(0, "gated", gates.dims), call.threads());
  }
};

class AddNorm {
 public:
  static constexpr const char* kName = "AddNorm";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kFloat32, abi::kFloat32,
                                                 abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 3, kOutputs = 2, kRequiredOutputs = 1;
  explicit AddNorm(const Attributes& attributes) : epsilon_(epsilon_of(attributes)) {}

  void compute(const Call& call) const {
    const auto rows = call.input<float>(0, "rows"), weight = call.input<float>(1, "weight");
    const auto residual = call.input<float>(2, "residual"), factor = call.optional_input<float>(3, "factor");
    const auto after = call.optional_input<float>(4, "second weight");
    if (!is_weight(weight) || rows.dims.rank() == 0 || !is_product(rows.dims.back(), {weight.count}) ||
        residual.dims != rows.dims || (factor.present && factor.count != 1) ||
        (after.present && after.dims != weight.dims)) {
      call.refuse_shapes(rows, weight, residual, factor, after);
    }
    const std::size_t width = weight.count;
    const Sum what{weight.data, residual.data, factor.present ? *factor.data : 1.0f, after.data, epsilon_};
    float* sum = call.output(0, "sum", rows.dims);
    float* normed = nullptr;
    if (after.present) {
      normed = call.output(1, "normed", rows.dims);
    } else if (call.has_output(1, rows.dims)) {
      throw Refusal("AddNorm: there is a second output, but no second weight");
    }
    add_norm(rows.data, rows.count / width, width, what, sum, normed, call.threads());
  }

 private:
  const float epsilon_;
};

class HeadKernel {
 public:
  static constexpr std::size_t kOutputs = 1, kRequiredOutputs = 1;
  explicit HeadKernel(const Attributes& attributes)
      : epsilon_(epsilon_of(attributes)),
        heads_(static_cast<std::size_t>(attributes.integer("num_heads", 1, kMostHeads))) {}

  void compute_heads(const Call& call, bool turns) const {
    const auto states = call.input<float>(0, "states"), weight = call.input<float>(1, "weight");
    if (!is_weight(weight) || states.dims.rank() == 0 || !is_product(states.dims.back(), {heads_, weight.count})) {
      call.refuse_shapes(states, weight, "num_heads " + std::to_string(heads_));
    }
    const std::size_t size = weight.count, rows = states.count / (heads_ * size);
    Turn turn{heads_, nullptr, nullptr, nullptr, 0};
    Tensor<std::int64_t> positions("positions");  // these may hold copies, which have to last
    Tensor<float> cosines("cosines"), sines("sines");
    if (turns) {
      positions = call.input<std::int64_t>(2, "positions");
      cosines = call.input<float>(3, "cosines");
      sines = call.input<float>(4, "sines");
      if (cosines.dims.rank() != 2 || sines.dims != cosines.dims ||
          static_cast<std::size_t>(cosines.dims[1]) > size / 2 || positions.count != rows) {
        call.refuse_shapes(states, weight, positions, cosines, sines);
      }
      for (std::size_t row = 0; row < rows; ++row) {
        if (positions.data[row] < 0 || positions.data[row] >= cosines.dims[0]) {
          call.refuse_shapes("position " + std::to_string(positions.data[row]), cosines);
        }
      }
      turn = {heads_, positions.data, cosines.data, sines.data, static_cast<std::size_t>(cosines.dims[1])};
    }
    float* normed = call.output(0, "normed", states.dims);
    norm_heads(states.data, rows, size, weight.data, epsilon_, turn, normed, call.threads());
  }

 private:
  const float epsilon_;
  const std::size_t heads_;
};

class NormedHeads : public HeadKernel {
 public:
  static constexpr const char* kName = "NormedHeads";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 2;
  using HeadKernel::HeadKernel;
  void compute(const Call& call) const { compute_heads(call, false); }
};

class NormedRotary : public HeadKernel {
 public:
  static constexpr const char* kName = "NormedRotary";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kFloat32, abi::kInt64, abi::kFloat32,
                                                 abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 5;
  using HeadKernel::HeadKernel;
  void compute(const Call& call) const { compute_heads(call, true); }
};

}  // namespace

abi::CustomOperator describe_gated_gelu() { return describe<GatedGelu>(); }
abi::CustomOperator describe_add_norm() { return describe<AddNorm>(); }
abi::CustomOperator describe_normed_heads() { return describe<NormedHeads>(); }
abi::CustomOperator describe_normed_rotary() { return describe<NormedRotary>(); }

}  // namespace larimar
