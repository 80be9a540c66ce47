// SPDX-License-Identifier: GPL-3.0-or-later
// Attention statistics on the GPU (compute capability 8.0 and up): two passes over the keys. The first computes each
// query's log-sum-exp; a flash-attention forward computes the same as a by-product and can replace it. The second
// computes statistics of the exact weights. No CUDA header is needed to call it.
#pragma once

#include "kernels/attention_statistics.h"

namespace headscope::kernels::cuda {

// Whether the kernels can run a problem: d_head must be a multiple of 8 and at most 256, pointers and strides of q and
// k multiples of 16 bytes, pool_block a multiple of pool_unit, counts within their maxima, fewer than 2^28 keys.
bool can_run(const AttentionProblem& problem, const AttentionStatistics& out);

// All pointers except spans and distances are device memory. All functions run on `stream` (a cudaStream_t, null: the
// default one) and return at once with 0 or the cudaError_t of a launch. Sums are in fixed point (multiples of 2^-40),
// so that results do not depend on the order in which blocks run.
//
// bound: [batch, head, query], a score that at least top_k keys of the query reach; optional for both passes. With it
// the second pass finds the largest weights many times faster. It is valid for the same problem and at most the same
// top_k.
int attention_lse(const AttentionProblem& problem, float* lse, float* bound, int top_k, void* stream);

// Computes only the bound, in a seventh of the time, for a log-sum-exp from elsewhere. This bound is a little lower.
int attention_bound(const AttentionProblem& problem, float* bound, int top_k, void* stream);

// lse: [batch, head, query], that of this problem's scores; out.lse is not written.
int attention_statistics(const AttentionProblem& problem, const float* lse, const float* bound,
                         const AttentionStatistics& out, void* stream);

} // namespace headscope::kernels::cuda
