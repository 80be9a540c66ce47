// SPDX-License-Identifier: GPL-3.0-or-later
// Stores an analysis of weights in a result file.
#pragma once

#include "core/analysis/head_weights.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// Stores /weights/copying, matching, q_composition, k_composition, v_composition and the table /weights/singular.
Status store_weights(store::ResultWriter& writer, const Model& model, const HeadWeights& found);

// The tokens of these ids as written in the vocabulary, in one text.
std::string token_list(const Model& model, const std::vector<std::int64_t>& ids);

} // namespace headscope::methods
