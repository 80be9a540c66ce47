// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/block_choice.h"

namespace headscope::kernels {

// Chooses for rows [begin, end) of [head, query], which are independent of one another.
void choose_blocks(const BlockScores& scores, std::int64_t* out, std::int64_t begin, std::int64_t end);

} // namespace headscope::kernels
