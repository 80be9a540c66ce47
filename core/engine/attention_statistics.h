// SPDX-License-Identifier: GPL-3.0-or-later
// Statistics of attention patterns, computed while the model runs without storing the pattern: by kernels on the CPU
// and, where libheadscope_cuda.so can be opened, on the GPU; from tiles of the pattern where interventions change it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "kernels/attention_statistics.h"

namespace headscope {

class AttentionBackend;
struct AttentionInput;

// The statistics of one layer, on the model's device; undefined where not asked for. A is the pattern; queries in left
// padding are never counted. `head` is the query head, `query` counts from the first position of the run.
struct AttentionStatistics {
  int layer = 0;
  at::Tensor key_sum;    // [batch, head, key] float64: sum over queries of A[q, k]
  at::Tensor sink_mass;  // [batch, head, key] float64: key_sum over the number of queries that may see the key
  at::Tensor entropy;    // [batch, head, query] float32: -sum A ln A, nats
  at::Tensor stripe;     // [batch, head, distance] float64: mean of A[i, i - distance]
  at::Tensor span_mass;  // [batch, head, span, query] float32: sum over the span's keys
  at::Tensor top_key;    // [batch, head, query, k] int32: largest weight first; -1: there are fewer keys
  at::Tensor top_weight; // [batch, head, query, k] float32
  at::Tensor pool_sum;   // [batch, head, query_block, key_block] float64: sum of A over the block
  at::Tensor pool_max;   // [batch, head, query_block, key_block] float32: largest A of the block
};

struct AttentionStatisticsRequest {
  std::function<bool(int layer)> wants; // null: all layers
  bool key_sum = false, entropy = false;
  std::vector<std::int64_t> distances;                  // of stripes; at most kernels::max_distances
  std::vector<kernels::KeySpan> spans;                  // key slots; at most kernels::max_spans
  int top_k = 0;                                        // at most kernels::max_top_k
  std::int64_t pool_block = 0;                          // a multiple of kernels::pool_unit; 0: no map
  std::function<void(const AttentionStatistics&)> done; // a layer is done; called on the engine's thread
};

// Returns invalid_argument where a number is outside the range that the request allows.
Status check_statistics(const AttentionStatisticsRequest& request);

// Runs attention and the statistics, calls request.done, and returns z.
at::Tensor run_with_statistics(const AttentionBackend& backend, const AttentionInput& input,
                               const AttentionStatisticsRequest& request);

// Makes the next coarser level of a pooled map [..., query_block, key_block]: 2 x 2 blocks become one.
at::Tensor coarser_sum(const at::Tensor& pool_sum);
at::Tensor coarser_max(const at::Tensor& pool_max);

} // namespace headscope
