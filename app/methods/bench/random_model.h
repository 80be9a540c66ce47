// SPDX-License-Identifier: GPL-3.0-or-later
// Models without a file: named shapes with random weights, made on the device; and smaller ones out of a model.
#pragma once

#include <memory>
#include <string>

#include "core/model/model.h"

namespace headscope::methods {

std::string shape_names(); // "gpt2, smollm2, llama-7b"

// Makes a model of a known shape with normal weights (standard deviation 0.02), without a tokenizer, for at least
// `n_ctx` positions. Returns not_found, naming the known shapes, for any other.
Result<std::shared_ptr<const Model>> random_model(const std::string& shape, const LoadOptions& options,
                                                  std::int64_t n_ctx);

// Takes the first layers of a model, and the first heads of each with their K/V heads; weights that stay whole are
// shared. Returns invalid_argument, naming the option, for more than there are and for heads that would divide a K/V
// group.
Result<std::shared_ptr<const Model>> part_of_model(const std::shared_ptr<const Model>& model, std::int64_t layers,
                                                   std::int64_t heads);

} // namespace headscope::methods
