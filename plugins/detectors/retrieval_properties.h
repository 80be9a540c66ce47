// SPDX-License-Identifier: GPL-3.0-or-later
// Properties of retrieval heads that one model can show (Wu et al. 2404.15574, section 3): sparse, intrinsic,
// dynamically activated. Masking shows that they are causal (core/sweeps/masking.h), several models that they are
// universal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/store/result_types.h"

namespace headscope {

// One run in which the model answered from the needle.
struct RetrievalEvidence {
  std::int64_t length = 0;
  std::string needle;
  const std::vector<double>* scores = nullptr; // of this run, by head
};

// Sparse: share_retrieval (mean score of at least the threshold) and share_zero. Intrinsic: length_rank_correlation and
// needle_rank_correlation, the mean over pairs of lengths (needles) of the rank correlation of their mean scores.
// Dynamically activated: heads_always_active and heads_sometimes_active.
store::Attributes retrieval_properties(const std::vector<RetrievalEvidence>& runs, double threshold);

} // namespace headscope
