// SPDX-License-Identifier: GPL-3.0-or-later
// Statistics of attention patterns A = softmax(scores), without storing the pattern: inputs and outputs, for the CPU
// (kernels/cpu) and the GPU (kernels/cuda) alike. Uses raw pointers; nothing of size query x key is ever held.
#pragma once

#include <cstdint>

#include "kernels/attention_variant.h"

namespace headscope::kernels {

enum class Element : std::uint8_t { f32, bf16, f16 };

// Strides of [batch, pos, head, d_head] in elements; the last axis is contiguous.
struct HeadStrides {
  std::int64_t batch = 0, pos = 0, head = 0;
};

struct AttentionProblem {
  const void* q = nullptr; // `queries` positions of `heads` heads, rotary applied
  const void* k = nullptr; // `keys` positions of `kv_heads` heads; heads / kv_heads neighbours share one
  HeadStrides q_strides, k_strides;
  Element element = Element::f32;
  std::int64_t batch = 1, heads = 1, kv_heads = 1, d_head = 64;
  std::int64_t queries = 0, keys = 0;      // keys >= query_offset + queries
  const std::int64_t* key_begin = nullptr; // per row of the batch: left padding; null: 0
  AttentionVariant variant;
};

struct KeySpan {
  std::int64_t begin = 0, end = 0; // slots [begin, end)
};

constexpr int max_spans = 16, max_distances = 16, max_top_k = 16;
constexpr std::int64_t pool_unit = 64; // pool_block is a multiple of it

// A null output is not computed. Queries in left padding count nowhere: they give zeros, and lse = -infinity.
// `head` is the query head. Outputs are written completely and need no initial values.
struct AttentionStatistics {
  float* lse = nullptr;      // [batch, head, query]: log of the sum of exp(score), natural
  double* key_sum = nullptr; // [batch, head, key]: sum over queries of A[q, k]
  float* entropy = nullptr;  // [batch, head, query]: -sum A ln A, nats

  const std::int64_t* distances = nullptr; // on the host
  int distance_count = 0;
  double* stripe = nullptr; // [batch, head, distance]: mean of A[i, i - distance] over the queries that have such a key

  const KeySpan* spans = nullptr; // on the host
  int span_count = 0;
  float* span_mass = nullptr; // [batch, head, span, query]: sum over the span's keys of A[q, k]

  // The largest weights of each query, largest first, among equals the latest key first; -1 and 0 where there are
  // fewer.
  int top_k = 0;
  std::int32_t* top_key = nullptr; // [batch, head, query, top_k]
  float* top_weight = nullptr;     // [batch, head, query, top_k]

  // The pooled map, in blocks of pool_block queries x pool_block keys, counted from the first query and from key 0.
  std::int64_t pool_block = 0;
  double* pool_sum = nullptr; // [batch, head, query_block, key_block]: sum of A
  float* pool_max = nullptr;  // [batch, head, query_block, key_block]: largest A
};

// How many queries have a key `distance` before them, in a row with this much left padding.
HEADSCOPE_HOST_DEVICE inline std::int64_t stripe_length(const AttentionProblem& problem, std::int64_t distance,
                                                        std::int64_t key_begin) {
  const std::int64_t first = key_begin + distance, offset = problem.variant.query_offset;
  const std::int64_t begin = first > offset ? first : offset, end = offset + problem.queries;
  return begin < end ? end - begin : 0;
}

inline std::int64_t blocks_of(std::int64_t positions, std::int64_t block) { return (positions + block - 1) / block; }

} // namespace headscope::kernels
