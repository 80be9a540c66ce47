// SPDX-License-Identifier: GPL-3.0-or-later
// Translates a GGUF file's metadata (llama.cpp's keys) into the fields of config.json, so that each family has one
// description for both formats.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// `metadata` are the file's key/value pairs; `d_vocab` is the number of the embedding's rows, which metadata lack.
Result<nlohmann::json> config_from_gguf(const nlohmann::json& metadata, const std::string& file, std::int64_t d_vocab);

} // namespace headscope
