// SPDX-License-Identifier: GPL-3.0-or-later
// The texts that a neuron, a head or a direction responds to most, and how its responses are spread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/sweeps/sweep.h"
#include "core/vocabulary/head_id.h"

namespace headscope {

// A number for every token, computed from the activation at one hook point.
struct Response {
  HookSite site;
  std::function<at::Tensor(const at::Tensor&)> value; // of the activation [batch, pos, ...]: [batch, pos] float32
};

Response neuron_response(int layer, std::int64_t neuron);       // what leaves the neuron: mlp_post
Response head_response(const Model& model, const HeadId& head); // norm of what the head writes: z W_O, without b_O
// The dot product with a direction, float32 [d]; for points without a head axis.
Response direction_response(HookSite site, const at::Tensor& direction);

struct ExamplesOptions {
  std::int64_t top = 10;
  std::int64_t skip = 0; // tokens at the beginning of each text that do not count
  std::vector<double> quantiles = {0.5, 0.9, 0.99, 0.999, 1.0};
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

struct ExampleText {
  std::int64_t text = 0;     // index of the text
  std::int64_t peak = 0;     // position of the largest value among those that count
  float value = 0.0F;        // there
  std::vector<float> values; // of every token of the text
};

struct Examples {
  std::vector<ExampleText> top;  // largest value first, the earlier text first of equals
  std::vector<double> quantiles; // of all values that count, between neighbours as NumPy's quantile(); NaN: no value
  double positive = 0.0;         // share of the values above 0
  std::int64_t tokens = 0;       // that count
  std::int64_t texts = 0;        // that were run
  bool complete = false;         // false when cancelled; what was measured until then is kept
};

// Keeps all values until the end (4 bytes a token), so that the quantiles are exact.
Result<Examples> strongest_examples(const Engine& engine, const Response& response, const TokenRows& texts,
                                    const ExamplesOptions& options, const RunControl& control = {});

// The quantile of values in rising order, interpolated linearly as NumPy's quantile().
double quantile_of(const std::vector<float>& rising, double quantile);

} // namespace headscope
