// SPDX-License-Identifier: GPL-3.0-or-later
// The choice of blocks on the GPU. No CUDA header is needed to call it. All pointers are device memory; runs on
// `stream` (a cudaStream_t, null: the default one) and returns at once with 0 or the cudaError_t of the launch.
#pragma once

#include "kernels/block_choice.h"

namespace headscope::kernels::cuda {

// A row of scores must fit into shared memory: at most 8,192 blocks.
bool can_choose_blocks(const BlockScores& scores);
int choose_blocks(const BlockScores& scores, std::int64_t* out, void* stream);

} // namespace headscope::kernels::cuda
