// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/node_outputs.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/analysis/residual_parts.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

constexpr std::int64_t outputs_bytes = std::int64_t{128} << 20;

// Sums reference prompts by position: sums_[:, 0, p] is over `counts_[p]` prompts.
class MeanOutputs {
public:
  MeanOutputs(const Engine& engine, const ComputationalGraph& graph, std::int64_t longest)
      : engine_(engine), graph_(graph),
        sums_(at::zeros({static_cast<std::int64_t>(graph.senders().size()), 1, longest, engine.config().d_model},
                        at::TensorOptions().dtype(at::kDouble).device(engine.model().device))),
        counts_(at::zeros({longest, 1}, sums_.options())) {}

  Status add(const TokenRows& rows, const CancelToken& cancel) {
    const TokenBatch batch = TokenBatch::pad(rows, TokenBatch::Side::right);
    HS_ASSIGN(const NodeOutputs outputs, node_outputs(engine_, graph_, batch, cancel));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto length = static_cast<std::int64_t>(rows[i].size());
      const at::Tensor of_row = outputs.values.select(1, static_cast<std::int64_t>(i)).narrow(1, 0, length);
      sums_.select(1, 0).narrow(1, 0, length).add_(of_row.to(at::kDouble));
      counts_.narrow(0, 0, length).add_(1.0);
    }
    return {};
  }

  at::Tensor mean(bool by_position) const {
    const at::Tensor mean = by_position ? sums_ / counts_ : sums_.sum(2, true) / counts_.sum();
    return mean.to(engine_.model().dtype);
  }

private:
  const Engine& engine_;
  const ComputationalGraph& graph_;
  at::Tensor sums_, counts_;
};

TokenRows clean_rows(const CircuitTask& task) {
  TokenRows rows;
  for (const PatchPair& pair : task.pairs)
    rows.push_back(pair.clean);
  return rows;
}

std::int64_t tokens_per_run(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task) {
  if (task.tokens_per_run > 0) return task.tokens_per_run;
  const std::int64_t bytes = static_cast<std::int64_t>(graph.senders().size()) * engine.config().d_model * 4;
  return std::max<std::int64_t>(64, outputs_bytes / bytes);
}

} // namespace

void watch_outputs(const Engine& engine, const ComputationalGraph& graph, OutputSink sink, RunRequest& request) {
  const auto one = [&](HookSite site, int sender) {
    request.hooks.push_back({site, [sink, sender](HookSite, at::Tensor x) {
                               sink(sender, x.detach().unsqueeze(0));
                               return x;
                             }});
  };
  one({HookPoint::resid_pre, 0}, 0);
  for (int layer = 0; layer < static_cast<int>(graph.shape().n_layers); ++layer) {
    const int first = graph.sender(SenderKind::head, layer, 0);
    const BlockWeights& block = engine.model().weights.blocks[static_cast<std::size_t>(layer)];
    request.hooks.push_back(
        {{HookPoint::result, layer}, [sink, first, &block, &engine](HookSite, at::Tensor x) {
           sink(first, attention_parts(engine.config(), block, x.detach()).heads.permute({2, 0, 1, 3}));
           return x;
         }});
    if (graph.shape().mlp) one({HookPoint::mlp_out, layer}, graph.sender(SenderKind::mlp, layer, -1));
  }
}

Result<NodeOutputs> node_outputs(const Engine& engine, const ComputationalGraph& graph, const TokenBatch& batch,
                                 const CancelToken& cancel, const KvCache* prefix) {
  NodeOutputs out;
  out.values = at::empty({static_cast<std::int64_t>(graph.senders().size()), batch.tokens.size(0), batch.tokens.size(1),
                          engine.config().d_model},
                         at::TensorOptions().dtype(engine.model().dtype).device(engine.model().device));
  RunRequest request;
  request.batch = batch;
  request.until = LogitRows::last;
  request.past = KvPast::read(prefix);
  request.cancel = cancel;
  watch_outputs(
      engine, graph,
      [&](int first, const at::Tensor& values) { out.values.narrow(0, first, values.size(0)).copy_(values); }, request);
  HS_ASSIGN(const RunResult result, engine.run(request));
  out.logits = result.logits;
  return out;
}

std::vector<PairChunk> chunk_pairs(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task) {
  std::vector<PairChunk> chunks;
  for (const auto& indices : chunk_rows(clean_rows(task), 1, tokens_per_run(engine, graph, task), false)) {
    PairChunk chunk;
    chunk.pairs = indices;
    TokenRows clean, corrupt;
    for (const std::int64_t index : indices) {
      const PatchPair& pair = task.pairs[static_cast<std::size_t>(index)];
      clean.push_back(pair.clean);
      corrupt.push_back(pair.corrupt);
      chunk.answers.push_back(pair.answers);
    }
    chunk.clean = TokenBatch::pad(clean, TokenBatch::Side::right);
    if (task.ablation == EdgeAblation::patch) chunk.corrupt = TokenBatch::pad(corrupt, TokenBatch::Side::right);
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

Result<Replacement> Replacement::prepare(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                         const RunControl& context) {
  Replacement out(engine, graph, task.ablation);
  const bool means = task.ablation == EdgeAblation::mean || task.ablation == EdgeAblation::mean_by_position;
  if (!means) return out;
  const bool by_position = task.ablation == EdgeAblation::mean_by_position;
  const TokenRows reference = task.reference.empty() ? clean_rows(task) : task.reference;
  const auto longest = [](const TokenRows& rows) {
    std::size_t most = 0;
    for (const auto& row : rows)
      most = std::max(most, row.size());
    return static_cast<std::int64_t>(most);
  };
  if (by_position && longest(reference) < longest(clean_rows(task)))
    return make_error(ErrorCode::mismatch,
                      "the longest reference prompt has " + std::to_string(longest(reference)) +
                          " tokens, the longest prompt " + std::to_string(longest(clean_rows(task))) +
                          ", so there is no mean for the last positions",
                      {}, "reference");
  MeanOutputs sums(engine, graph, longest(reference));
  std::int64_t done = 0;
  for (const auto& rows : chunk_rows(reference, 1, tokens_per_run(engine, graph, task), false)) {
    HS_TRY(sums.add(select_rows(reference, rows), context.cancel));
    done += static_cast<std::int64_t>(rows.size());
    context.report("averaging activations", done, static_cast<std::int64_t>(reference.size()));
  }
  out.mean_ = sums.mean(by_position);
  return out;
}

Result<at::Tensor> Replacement::values(const PairChunk& chunk, const CancelToken& cancel, const KvCache* prefix) const {
  const Model& model = engine_->model();
  switch (ablation_) {
  case EdgeAblation::patch: {
    HS_ASSIGN(NodeOutputs outputs, node_outputs(*engine_, *graph_, chunk.corrupt, cancel, prefix));
    return outputs.values;
  }
  case EdgeAblation::zero:
    return at::zeros({static_cast<std::int64_t>(graph_->senders().size()), 1, 1, model.config.d_model},
                     at::TensorOptions().dtype(model.dtype).device(model.device));
  case EdgeAblation::mean: return mean_;
  case EdgeAblation::mean_by_position: break;
  }
  return mean_.narrow(2, 0, chunk.clean.tokens.size(1));
}

Result<at::Tensor> chunk_metric(const CircuitTask& task, const PairChunk& chunk, const at::Tensor& logits,
                                const at::Tensor& clean_logits) {
  return metric_values(task.metric, logits,
                       needs_answers(task.metric) ? std::span(chunk.answers) : std::span<const Answers>{},
                       needs_reference(task.metric) ? clean_logits : at::Tensor{});
}

} // namespace headscope
