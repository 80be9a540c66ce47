// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching (see path_patching.h) from every head to receivers at the last token only: the logits, or some heads'
// queries there. With all other heads frozen, nothing but the last token's residual changes, so that all senders are
// run through the layers together, one token each.
#pragma once

#include <cstdint>
#include <vector>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/patching.h"

namespace headscope {

struct LastTokenPaths {
  std::vector<HeadId> queries; // receivers: queries of these heads at the last token, patched together; empty: logits
  bool through_mlps = true;    // MLPs between sender and receivers follow; false: only the direct path
  // Heads that in every run write, at the last token, their mean output there over the corrupt prompts.
  std::vector<HeadId> knocked_out;
};

// Effects in units of the logit difference.
struct LastTokenEffects {
  std::int64_t n_pairs = 0, n_layers = 0, n_heads = 0;
  std::vector<double> clean;   // [pair], with the knocked-out heads ablated
  std::vector<double> effects; // patched - clean [pair, layer, head_index]; NaN: comes before no receiver

  double mean_clean() const;
  std::vector<double> mean_effects() const; // over the pairs [layer, head_index]
};

// Returns invalid_argument for pairs without answers and wrong answers, and for heads that the model does not have;
// mismatch for a pair of unequal lengths.
Result<LastTokenEffects> patch_last_token_paths(const Engine& engine, const std::vector<PatchPair>& pairs,
                                                const LastTokenPaths& options, const RunControl& control = {});

} // namespace headscope
