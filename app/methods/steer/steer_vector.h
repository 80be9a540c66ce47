// SPDX-License-Identifier: GPL-3.0-or-later
// Where the method `steer` acts and with which vectors: from a file, or from two sets of texts.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/inputs/model_options.h"
#include "core/sweeps/steering.h"

namespace headscope::methods {

struct SteerVectorOptions {
  std::string site = "resid_pre", layers, heads;
  std::string file; // .npy
  std::vector<std::string> positive, negative;
  std::string positive_file, negative_file;
  ReadPosition read_at = ReadPosition::last;
  bool normalize = false;
  std::string save; // .npy

  bool from_texts() const {
    return !positive.empty() || !negative.empty() || !positive_file.empty() || !negative_file.empty();
  }
};

void list_vector_options(OptionList& list, SteerVectorOptions& options);
// Checks the options before the model is loaded; `needed` says whether the operation takes a vector.
Status check_vector_options(const SteerVectorOptions& options, bool needed);

// Reads "12", "10-12,15" or "all".
Result<std::vector<int>> parse_layers(const std::string& text, int n_layers);

// Makes the targets, layers or heads, with their vectors where one is needed.
Result<std::vector<SteeringTarget>> steering_targets(const Engine& engine, const SteerVectorOptions& options,
                                                     const PromptOptions& how, bool needed, std::int64_t tokens_per_run,
                                                     const Context& context);

// Saves vectors in the shapes that list_vector_options() describes for reading: [d] for one layer or head, [layer, d]
// for several layers with NaN in the others, [head, d_head] for several heads.
Status save_vectors(const std::string& path, const std::vector<SteeringTarget>& targets, int n_layers);

double vector_norm(const std::vector<SteeringTarget>& targets); // of all of them as one; NaN where there is none

} // namespace headscope::methods
