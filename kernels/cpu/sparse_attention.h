// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/sparse_attention.h"

namespace headscope::kernels {

// The plain form, one query at a time in double precision: the reference that the fast ones (AVX2, CUDA) are tested
// against. Both work on the pieces [begin, end), in the order [batch, head, block]; pieces are independent of one
// another, so that a caller may distribute them over threads.
void sparse_attention_reference(const SparseProblem& problem, const SparseOutput& out, std::int64_t begin,
                                std::int64_t end);

// The fast form, float32 inside (relative error about 1e-6).
void sparse_attention(const SparseProblem& problem, const SparseOutput& out, std::int64_t begin, std::int64_t end);

} // namespace headscope::kernels
