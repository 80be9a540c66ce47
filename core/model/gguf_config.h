// SPDX-License-Identifier: GPL-3.0-or-later
// Says in config.json's words what a GGUF file's metadata say in llama.cpp's, so that each family has one
// description for both formats.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// `metadata`: the file's key/value pairs; `d_vocab`: rows of the embedding (metadata have no such number).
Result<nlohmann::json> config_from_gguf(const nlohmann::json& metadata, const std::string& file, std::int64_t d_vocab);

} // namespace headscope
