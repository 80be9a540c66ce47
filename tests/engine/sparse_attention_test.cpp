// SPDX-License-Identifier: GPL-3.0-or-later
// Attention over chosen keys, as tensors, on the CPU or the GPU, against a dense softmax in double precision. The
// kernels have their own tests (tests/kernels); here are strides, types, and what is refused.
#include "core/engine/sparse_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/engine/golden.h"

namespace headscope {
namespace {

class SparseAttentionTensors : public testing::TestWithParam<at::ScalarType> {
protected:
  SparseAttentionTensors() { at::manual_seed(11); }
  // [batch, head, pos, d_head], a view of the engine's [batch, pos, head, d_head], with other things between.
  at::Tensor heads(std::int64_t heads, std::int64_t tokens, std::int64_t d = 64) const {
    return at::randn({2, tokens, heads + 1, d}, at::kFloat)
        .to(GetParam())
        .to(device_)
        .narrow(2, 1, heads)
        .transpose(1, 2);
  }
  SparseAttentionInput input(std::int64_t queries, std::int64_t offset, std::int64_t d = 64) const {
    SparseAttentionInput in;
    in.q = heads(6, queries, d), in.k = heads(2, offset + queries, d), in.v = heads(2, offset + queries, d);
    in.scale = 0.2, in.query_offset = offset;
    return in;
  }
  // One rounding of the type, of values near 1, and of weights.
  double tolerance() const { return GetParam() == at::kFloat ? 1e-5 : GetParam() == at::kHalf ? 4e-3 : 3e-2; }

  at::Device device_ = test_device();
};

// Bool [query, key] -> z in double precision.
at::Tensor dense(const SparseAttentionInput& in, const at::Tensor& visited) {
  const auto wide = [](const at::Tensor& x) { return x.to(at::kCPU).to(at::kDouble); };
  const at::Tensor k = wide(in.k).repeat_interleave(3, 1), v = wide(in.v).repeat_interleave(3, 1);
  const at::Tensor query = at::arange(in.q.size(2)).view({-1, 1}) + in.query_offset;
  const at::Tensor hidden = at::arange(k.size(2)).view({1, -1}).gt(query).logical_or(visited.logical_not());
  const at::Tensor scores = (at::matmul(wide(in.q), k.transpose(2, 3)) * in.scale).masked_fill(hidden, -INFINITY);
  return at::matmul(at::softmax(scores, -1).nan_to_num(0.0), v);
}

TEST_P(SparseAttentionTensors, EqualsADenseSoftmax) {
  const SparseAttentionInput in = input(100, 30);
  const std::vector<std::vector<kernels::KeyRun>> runs = {
      {{0, 3}, {7, 8}, {20, 62}}, {}, {{1, 90}, {90, 130}}, {{5, 9}}};
  const auto out = sparse_attention(in, visited_keys(runs, 32, device_));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->z.scalar_type(), GetParam());
  EXPECT_TRUE(out->z.transpose(1, 2).is_contiguous()); // as the engine wants it
  at::Tensor visited = at::zeros({100, 130}, at::kBool);
  for (std::int64_t query = 0; query < 100; ++query)
    for (const kernels::KeyRun& run : runs[static_cast<std::size_t>(query / 32)])
      visited[query].slice(0, run.begin, run.end).fill_(true);
  EXPECT_LT(max_error(out->z, dense(in, visited)), tolerance());
  EXPECT_TRUE(out->log_sum_exp.slice(2, 32, 64).eq(-INFINITY).all().item<bool>());
}

TEST_P(SparseAttentionTensors, StreamsFromACache) {
  for (const std::int64_t queries : {1, 3, 300}) {
    const SparseAttentionInput in = input(queries, 77);
    const auto out = sparse_attention(in, streaming_keys(queries, 77, 4, 20, device_));
    ASSERT_TRUE(out);
    const at::Tensor query = at::arange(queries).view({-1, 1}) + 77, key = at::arange(queries + 77).view({1, -1});
    EXPECT_LT(max_error(out->z, dense(in, (query - key).lt(20).logical_or(key.lt(4)))), tolerance()) << queries;
  }
}

// k + window >= T: all keys.
TEST_P(SparseAttentionTensors, HipOverAllKeysIsFullAttention) {
  const SparseAttentionInput in = input(90, 0);
  const auto keys = hip_keys(in, {64, 32, 32, 2, 0});
  ASSERT_TRUE(keys);
  const auto out = sparse_attention(in, *keys);
  ASSERT_TRUE(out);
  EXPECT_LT(max_error(out->z, dense(in, at::ones({90, 90}, at::kBool))), tolerance());
}

// The choice on the device is that on the CPU; quarters make scores the same to the last bit.
TEST_P(SparseAttentionTensors, HipChoosesTheSameEverywhere) {
  SparseAttentionInput in = input(700, 0);
  in.q = at::round(in.q * 4) / 4, in.k = at::round(in.k * 4) / 4;
  const kernels::HipOptions options{64, 64, 32, 2, 2};
  const auto here = hip_keys(in, options);
  ASSERT_TRUE(here);
  const auto there = sparse_attention(in, *here);
  for (at::Tensor* x : {&in.q, &in.k, &in.v})
    *x = x->to(at::kCPU);
  const auto on_cpu = hip_keys(in, options);
  ASSERT_TRUE(on_cpu && there);
  EXPECT_LT(max_error(there->z, sparse_attention(in, *on_cpu)->z), tolerance());
}

TEST_P(SparseAttentionTensors, SaysWhatItCannotDo) {
  SparseAttentionInput in = input(10, 0);
  const VisitedKeys keys = streaming_keys(10, 0, 1, 4, device_);
  in.v.requires_grad_(true);
  EXPECT_FALSE(sparse_attention(in, keys));
  in.v = in.v.detach().to(at::kDouble);
  EXPECT_FALSE(sparse_attention(in, keys));
}

TEST_P(SparseAttentionTensors, NoKeysAreZeros) {
  const auto out = sparse_attention(input(40, 0), visited_keys({{}, {}}, 32, device_));
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->z.eq(0).all().item<bool>());
  EXPECT_TRUE(out->log_sum_exp.eq(-INFINITY).all().item<bool>());
}

// Pieces are independent, so that the number of threads changes no bit.
TEST_P(SparseAttentionTensors, ThreadsChangeNothing) {
  const SparseAttentionInput in = input(600, 0);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 3, 2}) {
    at::set_num_threads(threads);
    results.push_back(sparse_attention(in, *hip_keys(in, {32, 32, 32, 2, 0}))->z);
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_TRUE(at::equal(results[0], results[2]));
}

INSTANTIATE_TEST_SUITE_P(Types, SparseAttentionTensors, testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

} // namespace
} // namespace headscope
