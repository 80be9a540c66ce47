// SPDX-License-Identifier: GPL-3.0-or-later
// The target whose response is measured: the neuron, head or direction of the options.
#pragma once

#include <optional>
#include <string>

#include "core/analysis/top_examples.h"

namespace headscope::methods {

struct TargetOptions {
  std::string neuron, head, direction; // one of them
  std::string at = "resid_pre";        // of the direction
  std::optional<std::int64_t> layer;
};

struct Target {
  std::string name;  // "neuron-3.120", "head-18.6", "direction-NAME": its group in a result file
  std::string what;  // for people: "neuron 3.120 (blocks.3.mlp.hook_post)"
  std::string units; // of its values
  Response response;
};

// Checks that can be made before the model is loaded.
Status check_target(const TargetOptions& options);
Result<Target> make_target(const TargetOptions& options, const Model& model);

} // namespace headscope::methods
