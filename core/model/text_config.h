// SPDX-License-Identifier: GPL-3.0-or-later
// Models of text and pictures whose text part is a model of a family that Headscope runs.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// What `config` says of the text model: its `text_config` where it is of such a model, with what transformers fills in
// for fields that are not there; else itself. Errors name `file`.
Result<nlohmann::json> text_config(const nlohmann::json& config, const std::string& file);

} // namespace headscope
