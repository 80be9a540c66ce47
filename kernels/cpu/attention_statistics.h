// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/attention_statistics.h"

namespace headscope::kernels {

// The plain form, one row at a time in double precision: the reference that the fast ones (AVX2, CUDA) are tested
// against. Both work on the heads [begin, end) of the batch x heads heads, in that order; heads are independent of each
// other, so that a caller may distribute them over threads.
void attention_statistics_reference(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t begin,
                                    std::int64_t end);

// The fast form, float32 inside (relative error about 1e-6). It allocates 48 rows of scores.
void attention_statistics(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t begin,
                          std::int64_t end);

// Makes the next coarser level of one head's pooled map: 2 x 2 blocks become one.
// [query_blocks, key_blocks] -> [ceil(query_blocks / 2), ceil(key_blocks / 2)]
void coarsen_sum(const double* in, std::int64_t query_blocks, std::int64_t key_blocks, double* out);
void coarsen_max(const float* in, std::int64_t query_blocks, std::int64_t key_blocks, float* out);

} // namespace headscope::kernels
