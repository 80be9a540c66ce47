// SPDX-License-Identifier: GPL-3.0-or-later
// Multimodal models whose text part is of a family that Headscope runs.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// Returns the text model's config: for such a model its `text_config` with transformers' defaults for missing fields,
// otherwise `config` itself. Errors name `file`.
Result<nlohmann::json> text_config(const nlohmann::json& config, const std::string& file);

} // namespace headscope
