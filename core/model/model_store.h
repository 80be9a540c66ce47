// SPDX-License-Identifier: GPL-3.0-or-later
// Finds packaged models. Folders are searched in order: $HEADSCOPE_MODELS, `../models` beside the running
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

// Returns the path itself when it exists (with a note on standard error when it is also the name of a packaged model),
// the file of a packaged model of that name, or the newest snapshot of that name ("org/name", or "gpt2") in Hugging
// Face's cache. Nothing is downloaded; not_found says which places were searched.
Result<std::string> resolve_model_path(const std::string& name_or_path);

} // namespace headscope
