// SPDX-License-Identifier: GPL-3.0-or-later
// An attention plan by head, and its text: "window:window=128@layers=4-29;topk:k=8@heads=18.6". What a mechanism's
// options mean is not looked at.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/vocabulary/head_id.h"

namespace headscope::gui {

// What computes each head, as "topk:k=8"; heads that are not in it attend fully.
using HeadPlan = std::map<HeadId, std::string>;

// Returns invalid_argument where a place is none of the model's, or two name the same head.
Result<HeadPlan> read_head_plan(const std::string& text, std::int64_t n_layers, std::int64_t n_heads);
// Each mechanism once, in the order of its first head, with whole layers and ranges said as such; empty for none.
std::string write_head_plan(const HeadPlan& plan, std::int64_t n_layers, std::int64_t n_heads);

} // namespace headscope::gui
