// ONNX Runtime's operators for products with the weights of MatMulNBits, in blocks of 32 and without zero points:
//
// Int4MatMul. Inputs: rows, float32 [..., K]; weights, uint8 [N, blocks, 16]; scales, float32 with N · blocks elements.
//             Output: float32 [..., N]. Attributes: K; pack, 1 to copy the weights into the order in which they are used.
// Int8MatMul. The same with weights of 8 bits, uint8 [N, blocks, 32], which it packs in any case.
//
// Weights and scales that are initializers which nothing can replace are prepared once: by the node's creation, and packed
// by the first run, which has the threads for it; those of experts that are never chosen never are. Any others may change
// from run to run in shape, address and content, and are prepared by each run for itself.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <type_traits>

#include "int4_matmul.hpp"
#include "int8_matmul.hpp"
#include "kernels.hpp"

namespace larimar {
namespace {

constexpr std::int64_t kMostDepth = 1 << 30;  // of K: places of blocks are 32-bit numbers in the kernels

template <std::size_t kBits>
class ProductKernel {
 public:
  static constexpr const char* kName = kBits == 4 ? "Int4MatMul" : "Int8MatMul";
  static constexpr abi::ElementType kInputs[] = {abi::kFloat32, abi::kUint8, abi::kFloat32};
  static constexpr std::size_t kRequiredInputs = 3, kOutputs = 1, kRequiredOutputs = 1;

  explicit ProductKernel(const Attributes& attributes)
      : depth_(static_cast<std::size_t>(attributes.integer("K", 1, kMostDepth))),
        pack_(kBits == 4 && attributes.integer("pack", 0, 1) != 0) {
    const auto weights = attributes.constant<std::uint8_t>(1, "weights");
    auto scales = attributes.constant<float>(2, "scales");
    if (!weights.present || !scales.present) return;
    if (!fits(weights, scales)) attributes.refuse(misfit(weights, scales));
    constant_ = matrix_of(weights, scales);
    is_constant_ = true;
    scales_ = std::move(scales.copy);
    if constexpr (kBits == 4) product_ = Int4Product::make(constant_);
  }

  void compute(const Call& call) {
    const Tensor<float> rows = call.input<float>(0, "rows");
    if (rows.dims.rank() == 0 || !is_product(rows.dims.back(), {depth_})) {
      call.refuse_shapes(rows, "K " + std::to_string(depth_));
    }
    Matrix matrix = constant_;
    Tensor<float> scales("scales");  // it may hold a copy, which has to last
    if (!is_constant_) {
      const auto weights = call.input<std::uint8_t>(1, "weights");
      scales = call.input<float>(2, "scales");
      if (!fits(weights, scales)) call.refuse_shapes(weights, scales, "K " + std::to_string(depth_));
      matrix = matrix_of(weights, scales);
    }
    Dims dims = rows.dims;
    dims.back() = static_cast<std::int64_t>(matrix.n);
    float* product = call.output(0, "product", dims);
    const std::size_t count = rows.count / depth_;
    if (count == 0 || matrix.n == 0) return;
    const ParallelFor threads = call.threads();
    if (is_constant_) {
      packed(threads).multiply(rows.data, count, product, threads);
    } else {
      made(matrix, threads)->multiply(rows.data, count, product, threads);
    }
  }

 private:
  using Product = std::conditional_t<kBits == 4, Int4Product, Int8Product>;
  using Matrix = std::conditional_t<kBits == 4, Int4Matrix, Int8Matrix>;

  std::size_t blocks() const { return (depth_ + kBlock - 1) / kBlock; }

  bool fits(const Tensor<std::uint8_t>& weights, const Tensor<float>& scales) const {
    const Dims& dims = weights.dims;
    std::size_t count = 0;
    return dims.rank() == 3 && is_product(dims[1], {blocks()}) && is_product(dims[2], {kBlock * kBits / 8}) &&
           multiply_sizes({static_cast<std::size_t>(dims[0]), blocks()}, &count) && scales.count == count;
  }

  std::string misfit(const Tensor<std::uint8_t>& weights, const Tensor<float>& scales) const {
    return "the shapes do not fit together: " + weights.text() + ", " + scales.text() + ", K " + std::to_string(depth_);
  }

  Matrix matrix_of(const Tensor<std::uint8_t>& weights, const Tensor<float>& scales) const {
    return {weights.data, scales.data, static_cast<std::size_t>(weights.dims[0]), depth_};
  }

  static std::unique_ptr<Product> made(const Matrix& matrix, [[maybe_unused]] const ParallelFor& threads) {
    if constexpr (kBits == 4) return Int4Product::make(matrix);
    else return std::make_unique<Int8Product>(matrix, threads);
  }

  // The product of the constant matrix, ready for use. Other threads wait for the one that comes first.
  const Product& packed(const ParallelFor& threads) {
    if (!is_packed_.load(std::memory_order_acquire)) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!is_packed_.load(std::memory_order_relaxed)) {
        if (!product_) product_ = made(constant_, threads);
        if constexpr (kBits == 4) {
          if (pack_) product_->pack(threads);
        }
        is_packed_.store(true, std::memory_order_release);
      }
    }
    return *product_;
  }

  const std::size_t depth_;
  const bool pack_;
  bool is_constant_ = false;
  Matrix constant_{};
  Aligned<float> scales_;  // the constant matrix's, where they had to be copied
  std::mutex mutex_;
  std::atomic<bool> is_packed_{false};
  std::unique_ptr<Product> product_;  // of the constant matrix; never changes once it is packed
};

}  // namespace

abi::CustomOperator describe_int4_matmul() { return describe<ProductKernel<4>>(); }
abi::CustomOperator describe_int8_matmul() { return describe<ProductKernel<8>>(); }

}  // namespace larimar
