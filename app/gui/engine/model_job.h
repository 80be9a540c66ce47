// SPDX-License-Identifier: GPL-3.0-or-later
// Opens models and tokenizes prompts. Jobs of the engine's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;
std::shared_ptr<EngineState> make_engine_state();

struct ModelRequest {
  std::string path; // a folder, a .gguf file, or a packaged model's name
  std::string dtype = "float32", device = "cpu";
};

// Opens a model in place of the open one, which is kept when this fails.
Result<ModelInfo> open_model(EngineState& state, const ModelRequest& request, const RunControl& control);

struct PromptRequest {
  std::string text;
  bool chat = false;       // in the model's chat template, as the user's message
  bool add_special = true; // BOS as the model adds it; not with chat
  friend bool operator==(const PromptRequest&, const PromptRequest&) = default;
};

// Returns invalid_argument for an empty prompt, mismatch for one longer than the context.
Result<std::vector<TokenInfo>> tokenize(const EngineState& state, const PromptRequest& request);

// Counts the tokens of a prompt of any length; 0 for no text.
Result<std::int64_t> count_tokens(const EngineState& state, const PromptRequest& request);

// Describes the tokens of the model's vocabulary that these ids stand for.
Result<std::vector<TokenInfo>> describe_tokens(const EngineState& state, const std::vector<std::int64_t>& ids);

} // namespace headscope::gui
