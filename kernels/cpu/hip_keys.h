// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/hip_keys.h"

namespace headscope::kernels {

// The plain form: every score in double precision when it is needed, lists sorted as a whole. Both work on the query
// blocks [begin, end), in the order [batch, head, query block], each independent of the others. Queries begin at a
// block's start, and rows have no left padding.
void hip_keys_reference(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out,
                        std::int64_t begin, std::int64_t end);

// The fast form, float32 inside: a run's first half has the run's own score, so that only second halves are scored, and
// only these are sorted. Scores that differ by less than float32 can tell may change places. Neighbouring key blocks
// share a run.
void hip_keys(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out, std::int64_t begin,
              std::int64_t end);

} // namespace headscope::kernels
