// SPDX-License-Identifier: GPL-3.0-or-later
// Heads as people write them: "18.6,17.3", "L9H9", "a9.h9", "18" or "L18" (all of a layer), ranges of
// heads "18.0-3" and of layers "10-12", "all".
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope {

// In the order written, each once. invalid_argument, naming the part, for anything else or outside the model.
Result<std::vector<store::HeadIndex>> parse_head_names(const std::string& text, std::int64_t n_layers,
                                                       std::int64_t n_heads);

} // namespace headscope
