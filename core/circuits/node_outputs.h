// SPDX-License-Identifier: GPL-3.0-or-later
// What every sender writes to the residual stream in a run, and what takes its place when it is patched.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/circuits/graph.h"
#include "core/circuits/task.h"

namespace headscope {

// Receives the outputs of a run in the order of the forward pass: `sink(first sender, values)` with values [sender,
// row, pos, d_model]. The function below adds the hooks that call it to a request.
using OutputSink = std::function<void(int first_sender, const at::Tensor& values)>;
void watch_outputs(const Engine& engine, const ComputationalGraph& graph, OutputSink sink, RunRequest& request);

// The outputs of one run [sender, row, pos, d_model], and the logits of each row's last token where asked for. `prefix`
// holds keys and values before the batch's positions (KvPast::read).
struct NodeOutputs {
  at::Tensor values;
  at::Tensor logits; // [row, d_vocab]
};
Result<NodeOutputs> node_outputs(const Engine& engine, const ComputationalGraph& graph, const TokenBatch& batch,
                                 const CancelToken& cancel, const KvCache* prefix = nullptr);

// Pairs that are run together.
struct PairChunk {
  std::vector<std::int64_t> pairs; // indices
  TokenBatch clean, corrupt;       // padded on the right, to one width
  std::vector<Answers> answers;
};
std::vector<PairChunk> chunk_pairs(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task);

// What replaces the senders' outputs.
class Replacement {
public:
  // Runs the reference prompts where the ablation needs their means.
  static Result<Replacement> prepare(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                     const RunControl& context);
  // Replacement values [sender, row, pos, d_model], of length 1 where an axis makes no difference. Only patching
  // supports a prefix.
  Result<at::Tensor> values(const PairChunk& chunk, const CancelToken& cancel, const KvCache* prefix = nullptr) const;

private:
  Replacement(const Engine& engine, const ComputationalGraph& graph, EdgeAblation ablation)
      : engine_(&engine), graph_(&graph), ablation_(ablation) {}

  const Engine* engine_;
  const ComputationalGraph* graph_;
  EdgeAblation ablation_;
  at::Tensor mean_; // [sender, 1, 1 or pos, d_model]
};

// The chunk's metric from logits of its last tokens: [row], differentiable where the metric is.
Result<at::Tensor> chunk_metric(const CircuitTask& task, const PairChunk& chunk, const at::Tensor& logits,
                                const at::Tensor& clean_logits);

} // namespace headscope
