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
