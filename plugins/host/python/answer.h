// SPDX-License-Identifier: GPL-3.0-or-later
// What a Python detector answers.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/model/config.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::plugin {

// Scores, maps, findings and tables; no threshold, heads or prompts yet. Returns corrupt, naming the field, for what
// does not fit the exchange or the model's number of layers and heads.
Result<DetectorResult> read_answer(const nlohmann::json& json, const ModelConfig& config, const std::string& script);

} // namespace headscope::plugin
