// SPDX-License-Identifier: GPL-3.0-or-later
// Positions of a text written as "10-20+35".
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// Reads ranges of which both ends belong to them, in any order; an empty text is none. Returns invalid_argument, at
// `field`.
Result<std::vector<Range>> parse_spans(const std::string& text, const std::string& field);

bool holds(const std::vector<Range>& spans, std::int64_t position);

} // namespace headscope::mechanisms
