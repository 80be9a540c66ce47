// SPDX-License-Identifier: GPL-3.0-or-later
// A layer to try mechanisms on: random q, k and v of grouped heads as the engine hands them over, and the same heads in
// double precision for references.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/mechanisms/plan.h"

namespace headscope::mechanisms::trial {

constexpr std::int64_t test_heads = 4, test_kv = 2, test_d = 16;

// Where the forms that run do so: HEADSCOPE_TEST_DEVICE, or the CPU. References always run on the CPU.
at::Device test_device();

// What a case asks of the model around a mechanism.
struct Shape {
  std::int64_t tokens = 0; // of the longest row
  std::vector<std::int64_t> left = {}, right = {};
  std::optional<std::int64_t> window = {};
  std::optional<double> softcap = {};
};

struct Layer {
  AttentionInput input;
  AttentionRows rows;
};

// Two rows of the batch.
Layer random_layer(const Shape& shape, std::int64_t seed = 3);
// The first tokens of a layer, of which the first `queries_from` are in the cache.
Layer part_of(const Layer& layer, std::int64_t tokens, std::int64_t queries_from = 0);

// Rotates halves of x, written out.
Vector rotated_plainly(const Vector& x, std::int64_t position);
Rows plain_rows(const at::Tensor& x);
// One head of one row, without padding.
PlainHead plain_head(const Layer& layer, const Shape& shape, std::int64_t row, std::int64_t head);

// z of one head by a pattern, [query, d_head] in double precision.
at::Tensor mixed_by(const Rows& pattern, const Rows& v);
// The largest difference of two tensors; infinite where shapes differ or something is NaN.
double largest_difference(const at::Tensor& a, const at::Tensor& b);

} // namespace headscope::mechanisms::trial
