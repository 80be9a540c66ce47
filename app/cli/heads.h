// SPDX-License-Identifier: GPL-3.0-or-later
// Heads as people write them: "18.6,17.3", "L9H9", "a9.h9", "18" or "L18" (all of a layer), ranges of
// heads "18.0-3" and of layers "10-12", "all".
#pragma once

#include <string>
#include <vector>

#include "core/analysis/head_ablation.h"
#include "core/model/config.h"

namespace headscope::cli {

// In the order written, each once. invalid_argument, naming the part, for anything else or outside the model.
Result<std::vector<HeadId>> parse_heads(const std::string& text, const ModelConfig& config);
std::string head_name(const HeadId& head); // "18.6"

} // namespace headscope::cli
