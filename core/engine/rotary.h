// SPDX-License-Identifier: GPL-3.0-or-later
// Rotary positions (RoFormer, arXiv 2104.09864) with linear, dynamic NTK, Llama-3 and YaRN (arXiv 2309.00071)
// scaling; the arithmetic follows transformers' modeling_rope_utils.py, so that float32 results agree.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/config.h"

namespace headscope {

struct RotaryTables {
  at::Tensor cos, sin; // [batch or 1, pos, 1, dim]
};

// positions: [batch or 1, pos] int64. `lengths`: tokens of each row, which dynamic scaling depends on. The tables have
// one row for all, or one for each where positions or rotations differ.
RotaryTables rotary_tables(const RotaryConfig& config, const at::Tensor& positions,
                           const std::vector<std::int64_t>& lengths, at::ScalarType dtype);

// Inverse frequencies [dim / 2] float32 on the CPU, and the factor on cos and sin (YaRN).
struct InverseFrequencies {
  at::Tensor values;
  double attention_factor = 1.0;
};
InverseFrequencies inverse_frequencies(const RotaryConfig& config, std::int64_t length);

// x: [batch, pos, heads, d_head]; the first dim entries of each head are rotated in halves.
at::Tensor apply_rotary(const at::Tensor& x, const RotaryTables& tables);

} // namespace headscope
