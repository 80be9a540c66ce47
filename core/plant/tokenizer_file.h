// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json.hpp>

#include "core/plant/vocabulary.h"

namespace headscope::plant {

// Makes tokenizer.json: GPT-2's splitting into words, each looked up whole, and bytes for unknown words.
nlohmann::json tokenizer_json(const Vocabulary& vocabulary);
nlohmann::json tokenizer_config_json();

} // namespace headscope::plant
