// SPDX-License-Identifier: GPL-3.0-or-later
// Sparse attention and HiP's choice of keys on the GPU (compute capability 8.0 and up). No CUDA header is needed to
// call them. All pointers are device memory. Functions run on `stream` (a cudaStream_t, null: the default one) and
// return at once with 0 or the cudaError_t of a launch. Results do not depend on the order in which blocks run.
#pragma once

#include "kernels/hip_keys.h"
#include "kernels/sparse_attention.h"

namespace headscope::kernels::cuda {

// d_head must be a multiple of 8 and at most 256, pointers and strides of q, k, v and z multiples of 16 bytes, and
// there must be fewer than 2^28 keys. 16-bit elements go through tensor cores and round weights to that type; float32
// is multiplied as float32.
bool can_run_sparse(const SparseProblem& problem, const SparseOutput& out);
int sparse_attention(const SparseProblem& problem, const SparseOutput& out, void* stream);

// block_q at most 64, at most 1,024 key blocks of at most 8,192 keys are kept; else as above. Each key block is a run
// of its own, so that a block has first[i] + most_runs() runs, some of them empty.
bool can_run_hip(const AttentionProblem& problem, const HipOptions& options);
int hip_keys(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out, void* stream);

} // namespace headscope::kernels::cuda
