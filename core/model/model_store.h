// SPDX-License-Identifier: GPL-3.0-or-later
// Where the packaged models are. Searched in order: $HEADSCOPE_MODELS, `../models` beside the running
// program, $XDG_DATA_HOME/headscope/models (~/.local/share/headscope/models).
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

struct PackagedModel {
  std::string name;   // "smollm2"
  std::string file;   // "SmolLM2-135M-Instruct.Q4_1.gguf"
  std::string sha256; // of that file
};

const std::vector<PackagedModel>& packaged_models();

// The path itself when it exists; a packaged model's file when it is one of their names.
Result<std::string> resolve_model_path(const std::string& name_or_path);

} // namespace headscope
