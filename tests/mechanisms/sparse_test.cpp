// SPDX-License-Identifier: GPL-3.0-or-later
// Attention over chosen keys (core/engine/sparse_attention.h) gives what the references of the mechanisms give whose
// keys it is handed.
#include "core/engine/sparse_attention.h"
#include "core/mechanisms/spec.h"
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

const std::vector<Shape> shapes = {{.tokens = 1},
                                   {.tokens = 5},
                                   {.tokens = 31},
                                   {.tokens = 101},
                                   {.tokens = 67, .left = {0, 13}},
                                   {.tokens = 150, .window = 41},
                                   {.tokens = 77, .softcap = 2.0}};

// One row without its padding, as views of the engine's memory.
SparseAttentionInput row_of(const Layer& layer, const Shape& shape, std::int64_t row) {
  const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
  const auto part = [&](const at::Tensor& x) {
    return x.narrow(0, row, 1).narrow(1, begin, shape.tokens - begin).transpose(1, 2);
  };
  return {.q = part(layer.input.q),
          .k = part(layer.input.k),
          .v = part(layer.input.v),
          .scale = layer.input.scale,
          .softcap = shape.softcap,
          .window = shape.window,
          .key_begin = {}};
}

template <typename Keys> void expect_as_reference(const std::string& spec, const Keys& keys_of) {
  const auto parsed = parse_specs(spec, MechanismList::built_in());
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  for (const Shape& shape : shapes) {
    const Layer layer = random_layer(shape);
    for (std::int64_t row = 0; row < 2; ++row) {
      const SparseAttentionInput input = row_of(layer, shape, row);
      const auto out = sparse_attention(input, keys_of(input));
      ASSERT_TRUE(out);
      for (std::int64_t head = 0; head < test_heads; ++head) {
        const PlainHead plain = plain_head(layer, shape, row, head);
        const at::Tensor expected = mixed_by(parsed->front().mechanism->reference(plain), plain.v);
        EXPECT_LT(largest_difference(out->z[0][head], expected), 1e-5)
            << spec << ", " << shape.tokens << " tokens, row " << row << ", head " << head;
      }
    }
  }
}

TEST(SparseAttention, OverHipsKeysIsHip) {
  const auto keys_by = [](const kernels::HipOptions& options) {
    return [=](const SparseAttentionInput& input) { return *hip_keys(input, options); };
  };
  expect_as_reference("hip:k=8,window=8,block_q=4,block_k=2", keys_by({8, 8, 4, 2, 0}));
  expect_as_reference("hip:k=9,window=11,block_q=8,block_k=3,sinks=2", keys_by({9, 11, 8, 3, 2}));
  expect_as_reference("hip:k=16,window=32,block_q=32,block_k=1", keys_by({16, 32, 32, 1, 0}));
}

// Pairs of a query and a key, counted one by one.
AttentionCost counted(const SparseAttentionInput& in, const VisitedKeys& keys) {
  AttentionCost cost;
  const std::int64_t heads = in.q.size(1), queries = in.q.size(2), blocks = keys.first.size(2);
  const auto at = [&](const at::Tensor& x, std::int64_t head, std::int64_t block) {
    return x[0][x.size(1) > 1 ? head : 0][block].item<std::int64_t>();
  };
  for (std::int64_t head = 0; head < heads; ++head)
    for (std::int64_t block = 0; block < blocks; ++block) {
      std::vector<std::int64_t> slots;
      for (std::int64_t place = block * keys.block_q; place < (block + 1) * keys.block_q; ++place) {
        const std::int64_t query = keys.order.defined() ? at(keys.order, head, place) : place < queries ? place : -1;
        if (query >= 0) slots.push_back(in.query_offset + query / in.per_slot);
      }
      for (std::int64_t run = at(keys.first, head, block); run < at(keys.last, head, block); ++run)
        for (std::int64_t key = keys.runs[run][0].item<std::int64_t>(); key < keys.runs[run][1].item<std::int64_t>();
             ++key) {
          bool read = false;
          for (const std::int64_t slot : slots) {
            const bool near = keys.window == 0 || slot - key < keys.window || key < keys.sinks;
            const bool seen = key <= slot && near && (!in.window || slot - key < *in.window);
            cost.attended += seen;
            read = read || seen;
          }
          if (read) cost.scored += std::ssize(slots);
        }
    }
  cost.bytes = cost.scored * 2 * test_d * 4;
  return cost;
}

TEST(SparseAttention, CountsWhatItVisits) {
  for (const Shape& shape : {Shape{.tokens = 101}, Shape{.tokens = 150, .window = 41}}) {
    const SparseAttentionInput input = row_of(random_layer(shape), shape, 0);
    SparseAttentionInput shared = input; // two queries a slot
    shared.per_slot = 2;
    VisitedKeys scattered = visited_keys({{{0, 9}, {30, 31}}, {{4, 70}}}, 64, input.q.device());
    std::vector<std::int32_t> order(128, -1);
    for (int i = 0, even = 0, odd = 64; i < 101; ++i)
      order[static_cast<std::size_t>(i % 2 == 0 ? even++ : odd++)] = i;
    scattered.order = at::tensor(order, at::kInt).view({1, 1, 128}).to(input.q.device());
    std::vector<std::pair<SparseAttentionInput, VisitedKeys>> cases = {
        {input, streaming_keys(shape.tokens, 0, 3, 20, input.q.device())},
        {input, *hip_keys(input, {16, 32, 32, 2, 1})},
        {shared, visited_keys({{{0, 20}}, {{3, 40}, {41, 42}}, {{70, 75}}}, 64, input.q.device())}};
    if (shape.tokens == 101) cases.emplace_back(input, scattered);
    for (const auto& [in, keys] : cases) {
      const AttentionCost cost = cost_of(in, keys), expected = counted(in, keys);
      EXPECT_EQ(cost.attended, expected.attended);
      EXPECT_EQ(cost.scored, expected.scored);
      EXPECT_EQ(cost.bytes, expected.bytes);
    }
  }
}

TEST(SparseAttention, OverStreamingsKeysIsStreaming) {
  const auto keys_by = [](std::int64_t sinks, std::int64_t window) {
    return [=](const SparseAttentionInput& input) {
      return streaming_keys(input.q.size(2), 0, sinks, window, input.q.device());
    };
  };
  expect_as_reference("streaming:sinks=2,window=5", keys_by(2, 5));
  expect_as_reference("streaming:sinks=0,window=9", keys_by(0, 9));
}

} // namespace
} // namespace headscope::mechanisms
