// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the answer of a Python detector.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/model/config.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::plugin {

// Reads scores, maps, findings and tables, but not threshold, heads or prompts. Returns corrupt, naming the field, for
// an answer that does not fit the exchange or the model's number of layers and heads.
Result<DetectorResult> read_answer(const nlohmann::json& json, const ModelConfig& config, const std::string& script);

} // namespace headscope::plugin
