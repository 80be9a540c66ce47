// SPDX-License-Identifier: GPL-3.0-or-later
// How much arithmetic and how many bytes a run needs, by a plain formula: what is ignored (norms, activations, softmax,
// rotary, sums) is below a few per cent of it.
//
// With d = d_model, e = d_head, H heads, K K/V heads, m = d_mlp, V the vocabulary, s the bytes of an element:
// a product of n rows, `in` to `out`:  2 n in out FLOP;  s (in out + n (in + out)) bytes
// a block of n tokens:                 products d -> (H + 2K) e, H e -> d, d -> m (2m where gated), m -> d
// its attention:                       4 H e FLOP a pair of a query and a key that it sees; q, k, v and z: s n (2H +
// 2K) e bytes the last block, where only the last token's logits are wanted: k and v of all tokens, the rest of one
// unembedding:                         a product of one row a prompt, d -> V
// Weights count once per run, whatever the cache holds: the bytes are the least that must come from memory.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/config.h"

namespace headscope::methods {

struct WorkSize {
  double flop = 0.0, bytes = 0.0;
  WorkSize& operator+=(const WorkSize& other) {
    flop += other.flop, bytes += other.bytes;
    return *this;
  }
};

// A forward pass over prompts of one length, with logits of the last tokens. `heads` has the number of heads of each
// layer whose attention is counted; empty: all.
WorkSize forward_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens, std::int64_t element_bytes,
                      const std::vector<std::int64_t>& heads = {});

// The same with statistics of every layer's attention: two more products of q and k, and a last block over all tokens.
WorkSize statistics_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens,
                         std::int64_t element_bytes);

// A clean run, and for each ablated head a run from the z of its layer on. `layers` has the layer of each ablated head.
// Weights count once for every `tokens_per_run` tokens.
WorkSize sweep_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens,
                    const std::vector<int>& layers, std::int64_t tokens_per_run, std::int64_t element_bytes);

} // namespace headscope::methods
