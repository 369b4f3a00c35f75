// ONNX Runtime's operators for products with the weights of MatMulNBits, in blocks of 32 and without zero points:
//
// Int4MatMul. Inputs: rows, float32 [..., K]; weights, uint8 [N, blocks, 16]; scales, float32 with N · blocks elements.
//             Output: float32 [..., N]. Attributes: K; pack, 1 to copy the weights into the order in which they are used.
// Int8MatMul. The same with weights of 8 bits, uint8 [N, blocks, 32], which it packs in any case.
//
// Weights and scales stay the same. What has to be there before a first run is made by the node's creation, or, in the
// branch of an If, by that run. Weights are packed by the first run, which has the threads for it; those of experts that
// are never chosen never are.
#include <memory>
#include <mutex>
#include <type_traits>

#include "int4_matmul.hpp"
#include "int8_matmul.hpp"
#include "kernels.hpp"

namespace larimar {
namespace {

constexpr const char* kNoFit = "products with 4-bit and 8-bit weights: the shapes do not fit together";

template <std::size_t kBits>
class ProductKernel {
 public:
  static constexpr const char* kName = kBits == 4 ? "Int4MatMul" : "Int8MatMul";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kUint8, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 3, kOutputs = 1, kRequiredOutputs = 1;

  ProductKernel(const abi::Api* api, const abi::KernelInfo* info) : api(api) {
    check(abi::integer_attribute(api, info, "K", &depth_));
    if constexpr (kBits == 4) check(abi::integer_attribute(api, info, "pack", &pack_));
    const abi::Value *weights = constant(info, 1), *scales = constant(info, 2);
    if (weights != nullptr && scales != nullptr) look_at(weights, scales);
  }

  void compute(abi::Context* context) {
    const abi::Value* rows = input(api, context, 0);
    const ParallelFor threads = threads_of(api, context);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      look_at(input(api, context, 1), input(api, context, 2));
      if (!packed_) pack(input(api, context, 2), threads);
      packed_ = true;
    }
    Shape shape = shape_of(api, rows);
    if (shape.empty() || shape.back() != depth_) refuse(api, kNoFit);
    shape.back() = 1;
    const std::int64_t count = elements(shape);
    shape.back() = columns_;
    abi::Value* product = output(api, context, 0, shape);
    if (count == 0 || columns_ == 0) return;
    product_->multiply(data_of<const float>(api, rows), static_cast<std::size_t>(count), data_of<float>(api, product),
                       threads);
  }

  const abi::Api* api;

 private:
  using Product = std::conditional_t<kBits == 4, Int4Product, Int8Product>;

  // Null where the input is none that is known by now.
  const abi::Value* constant(const abi::KernelInfo* info, std::size_t place) const {
    int is_constant = 0;
    const abi::Value* value = nullptr;
    check(abi::constant_input(api, info, place, &is_constant, &value));
    return is_constant ? value : nullptr;
  }

  void look_at(const abi::Value* weights, const abi::Value* scales) {
    const auto* data = data_of<const std::uint8_t>(api, weights);
    if (data == weights_ && data != nullptr) return;
    const Shape shape = shape_of(api, weights);
    const std::int64_t block = kBlock;
    if (depth_ <= 0 || shape.size() != 3 || shape[1] != (depth_ + block - 1) / block ||
        shape[2] != block * static_cast<std::int64_t>(kBits) / 8 ||
        elements(shape_of(api, scales)) != shape[0] * shape[1]) {
      refuse(api, kNoFit);
    }
    columns_ = shape[0];
    if constexpr (kBits == 4) {
      product_ = Int4Product::make({data, data_of<const float>(api, scales), static_cast<std::size_t>(columns_),
                                    static_cast<std::size_t>(depth_)});
    }
    weights_ = data;
    packed_ = false;
  }

  void pack(const abi::Value* scales, const ParallelFor& threads) {
    if constexpr (kBits == 4) {
      if (pack_) product_->pack(threads);
    } else {
      const Int8Matrix matrix{weights_, data_of<const float>(api, scales), static_cast<std::size_t>(columns_),
                              static_cast<std::size_t>(depth_)};
      product_ = std::make_unique<Int8Product>(matrix, threads);
    }
  }

  std::mutex mutex_;
  std::int64_t pack_ = 0;
  bool packed_ = false;
  std::int64_t columns_ = 0;
  std::int64_t depth_ = 0;
  const std::uint8_t* weights_ = nullptr;
  std::unique_ptr<Product> product_;
};

}  // namespace

abi::CustomOperator describe_int4_matmul() { return describe<ProductKernel<4>>(); }
abi::CustomOperator describe_int8_matmul() { return describe<ProductKernel<8>>(); }

}  // namespace larimar
