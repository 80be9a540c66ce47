// SPDX-License-Identifier: GPL-3.0-or-later
// The one-pass parts of a block on a GPU against the plain operations, and split products against double precision.
#include "core/engine/device_parts.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/engine/block_parts.h"
#include "core/engine/norm.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

class DeviceParts : public testing::TestWithParam<at::ScalarType> {
protected:
  void SetUp() override {
    device_ = test_device();
    if (!device_.is_cuda()) GTEST_SKIP() << "needs a GPU: HEADSCOPE_TEST_DEVICE=cuda";
  }
  // The tolerance for one rounding of the type.
  double tolerance() const { return GetParam() == at::kFloat ? 1e-5 : GetParam() == at::kHalf ? 2e-3 : 2e-2; }
  at::Tensor random(at::IntArrayRef sizes) const { return at::randn(sizes).to(GetParam()); }
  double error(const at::Tensor& on_device, const at::Tensor& plain) const {
    EXPECT_TRUE(on_device.defined());
    return on_device.defined() ? max_error(on_device, plain) : INFINITY;
  }
  at::Device device_ = at::kCPU;
};

TEST_P(DeviceParts, NormEqualsThePlainOne) {
  for (const std::int64_t d : {64, 576, 4096})
    for (const bool weight_first : {false, true}) {
      ModelConfig config;
      config.norm_scale_in_float32 = weight_first;
      const at::Tensor x = random({3, 5, d}), w = random({d});
      EXPECT_LT(error(rms_norm_on_device(config, w.to(device_), x.to(device_)), apply_norm(config, {w, {}}, x)),
                8 * tolerance())
          << d << weight_first;
      EXPECT_LT(error(rms_norm_on_device(config, {}, x.to(device_)), apply_norm(config, {}, x)), tolerance());
    }
}

TEST_P(DeviceParts, GatesEqualThePlainOnes) {
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu}) {
    const at::Tensor in = random({2, 7, 2 * 96});
    const at::Tensor plain = apply_activation(activation, in.narrow(-1, 0, 96)) * in.narrow(-1, 96, 96);
    EXPECT_LT(error(gated_on_device(activation, in.to(device_)), plain), 4 * tolerance())
        << static_cast<int>(activation);
  }
}

TEST_P(DeviceParts, RotaryEqualsThePlainOne) {
  for (const std::int64_t dim : {64, 16, 8}) { // all of a head, and its front
    RotaryConfig config;
    config.dim = dim;
    for (const std::int64_t batch : {1, 3}) {
      const at::Tensor positions = (at::arange(9) + at::arange(batch).unsqueeze(1)).to(at::kLong);
      const RotaryTables plain = rotary_tables(config, positions, {16}, GetParam());
      const at::Tensor qkv = random({3, 9, 8, 64}), q = qkv.narrow(2, 0, 5); // rows with something between them
      const RotaryTables there{plain.cos.to(device_), plain.sin.to(device_)};
      EXPECT_LT(error(rotary_on_device(qkv.to(device_).narrow(2, 0, 5), there), apply_rotary(q, plain)),
                4 * tolerance())
          << dim << " " << batch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, DeviceParts, testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                         [](const auto& test) { return std::string(c10::toString(test.param)); });

using SplitLinear = DeviceParts;

// Compares with float32's own product: both errors from double precision are of the same size.
TEST_P(SplitLinear, IsNearFloat32) {
  for (const double size : {1e-3, 1.0, 1e3}) {
    const at::Tensor x = at::randn({1024, 768}) * size, w = at::randn({1000, 768}) * 0.02, b = at::randn({1000});
    const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble), b.to(at::kDouble));
    const at::Tensor split = split_linear_on_device(x.to(device_), w.to(device_), b.to(device_));
    const at::Tensor plain = at::linear(x.to(device_), w.to(device_), b.to(device_));
    const double scale = exact.abs().max().item<double>();
    std::printf("[ MEASURED ] |x| %g: split %.2g, float32 %.2g of the largest\n", size, error(split, exact) / scale,
                error(plain, exact) / scale);
    EXPECT_LT(error(split, exact) / scale, 2e-6);
  }
}

// Adds to a given tensor; does not apply to rows of odd length, or to few rows.
TEST_P(SplitLinear, AddsWhatItIsGiven) {
  const at::Tensor x = at::randn({2, 80, 64}), w = at::randn({96, 64}) * 0.1, b = at::randn({96});
  const at::Tensor onto = at::randn({2, 80, 96}), plain = at::linear(x, w, b);
  const auto there = [&](const at::Tensor& tensor) { return tensor.contiguous().to(device_); };
  EXPECT_LT(error(split_linear_on_device(there(x), there(w), there(b), there(onto)), plain + onto), 1e-5);
  EXPECT_LT(error(split_linear_on_device(there(x), there(w), there(b)), plain), 1e-5);
  EXPECT_LT(error(split_linear_on_device(there(x), there(w), {}, there(onto)), plain - b + onto), 1e-5);
  EXPECT_FALSE(split_linear_on_device(there(x), there(w.narrow(0, 0, 95)), {}).defined());
  EXPECT_FALSE(split_linear_on_device(there(x.narrow(1, 0, 8)), there(w), there(b)).defined());
}

TEST_P(SplitLinear, MlpsEqualThePlainOnes) {
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu})
    for (const bool biased : {true, false}) {
      ModelConfig config;
      config.activation = activation, config.gated_mlp = false;
      BlockWeights plain, there;
      plain.w_in = at::randn({256, 64}) * 0.2, plain.w_out = at::randn({64, 256}) * 0.1;
      if (biased) plain.b_in = at::randn({256}), plain.b_out = at::randn({64});
      there.w_in = plain.w_in.to(device_), there.w_out = plain.w_out.to(device_);
      if (biased) there.b_in = plain.b_in.to(device_), there.b_out = plain.b_out.to(device_);
      const at::Tensor x = at::randn({2, 80, 64}), onto = at::randn({2, 80, 64});
      const at::Tensor expected = onto + apply_mlp(config, plain, x);
      EXPECT_LT(error(split_mlp_on_device(activation, there, x.to(device_), onto.to(device_)), expected), 2e-5)
          << static_cast<int>(activation) << biased;
    }
}

INSTANTIATE_TEST_SUITE_P(Float, SplitLinear, testing::Values(at::kFloat),
                         [](const auto& test) { return std::string(c10::toString(test.param)); });

} // namespace
} // namespace headscope
