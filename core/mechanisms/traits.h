// SPDX-License-Identifier: GPL-3.0-or-later
// What a head's attention on a text could be replaced by: how large a state a recurrence would need, what decay
// explains it, how much one query explains, how many dimensions and keys it uses, and what a memory that learns from
// its keys and values would be surprised by.
#pragma once

#include <cstdint>
#include <vector>

#include "core/engine/engine.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

struct TraitOptions {
  double tolerance = 1e-2; // singular values below this share of a block's largest do not count
  double keep = 0.95;      // share that is kept by a rank or by keys
  double theta = 0.25;     // size of the memory's step; keys of length 1
  std::int64_t skip = 0;   // first queries that are left out
};

// [layer, head_index] each, and traces with a further axis.
struct HeadTraits {
  // The largest numeric rank of the pattern's blocks below the diagonal, i.e. of later queries and earlier keys: the
  // least state of a linear recurrence that gives this head's weights on this text (arXiv 2405.15731).
  std::vector<double> state_rank;
  std::vector<double> decay, decay_r2; // a γ^distance fitted to the mean weight by distance, and the share it explains
  std::vector<double> query_r2;        // share of z's variance that the mean query, turned at each position, explains
  std::vector<double> score_rank;      // least rank of scores that keeps z within 1 - keep of its norm
  std::vector<double> keys;            // mean number of keys that hold `keep` of the weight
  std::vector<double> surprise; // [layer, head_index, pos]: ‖gradient of ‖M k − v‖²‖ before the token is learned
  std::vector<double> recall; // [layer, head_index, distance]: cosine of M k and v at the end of the text, from 0
};

// Runs the text with full attention and measures every head.
Result<HeadTraits> measure_traits(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                  const TraitOptions& options, const RunControl& control);

// ---- The parts, of texts and patterns [head, query, key]; each returns [head] on the CPU in double precision.

at::Tensor state_rank(const at::Tensor& pattern, double tolerance);
// A memory M [head, d, d] that learns v from k of length 1, one token after the other, by steps of size theta.
struct Learned {
  at::Tensor surprise; // [head, pos]: ‖gradient of ‖M k − v‖²‖ before the token is learned
  at::Tensor recall;   // [head, distance]: cosine of M k and v at the end of the text, from its last token back
};
Learned learn(const Text& text, double theta);
// γ and the share of the variance of the mean weight by distance that a γ^distance explains.
struct Decay {
  at::Tensor gamma, r2;
};
Decay fit_decay(const at::Tensor& pattern);
at::Tensor keys_holding(const at::Tensor& pattern, double share);

} // namespace headscope::mechanisms
