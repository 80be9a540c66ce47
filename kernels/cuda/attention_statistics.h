// SPDX-License-Identifier: GPL-3.0-or-later
// Attention statistics on the GPU (compute capability 8.0 and up): two passes over the keys. The first makes each
// query's log-sum-exp; a flash-attention forward makes the same as a by-product, and may be used in its place. The
// second takes the statistics of the exact weights. No CUDA header is needed to call it.
#pragma once

#include "kernels/attention_statistics.h"

namespace headscope::kernels::cuda {

// What the kernels ask of a problem: d_head a multiple of 8 and at most 256, pointers and strides of q and k multiples
// of 16 bytes, pool_block a multiple of pool_unit, counts within their maxima, fewer than 2^28 keys.
bool can_run(const AttentionProblem& problem, const AttentionStatistics& out);

// All pointers are device memory, but spans and distances. Both run on `stream` (a cudaStream_t, null: the default one)
// and return at once: 0 or the cudaError_t of a launch. Sums are made in fixed point (multiples of 2^-40), so that
// results do not depend on the order in which blocks run.
//
// bound: [batch, head, query], what at least top_k keys of the query reach; optional for both passes. With it the
// second finds the largest weights many times faster. It is good for the same problem and no larger top_k.
int attention_lse(const AttentionProblem& problem, float* lse, float* bound, int top_k, void* stream);

// The bound alone, in a seventh of the time: for a log-sum-exp that comes from elsewhere. It is a little lower.
int attention_bound(const AttentionProblem& problem, float* bound, int top_k, void* stream);

// lse: [batch, head, query] of this problem's scores; out.lse is not written.
int attention_statistics(const AttentionProblem& problem, const float* lse, const float* bound,
                         const AttentionStatistics& out, void* stream);

} // namespace headscope::kernels::cuda
