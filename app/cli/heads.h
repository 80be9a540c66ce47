// SPDX-License-Identifier: GPL-3.0-or-later
// Heads as app/runs/head_names.h reads them, for the engine.
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
