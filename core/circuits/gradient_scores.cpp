// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/gradient_scores.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/circuits/node_outputs.h"
#include "core/circuits/sites.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// Receivers whose gradients are multiplied with the differences at once: few make for slow products.
constexpr std::int64_t receivers_at_once = 64;

// One run whose gradients count: the tokens, and what is added to the outputs of some senders.
struct Point {
  bool corrupt = false;
  int first_sender = -1, senders = 0; // -1: nothing is added
  double share = 0.0;                 // of the difference that is added
};

std::vector<Point> points_of(const ComputationalGraph& graph, const ScoreOptions& options) {
  std::vector<Point> points;
  const auto integrate = [&](int first, int senders, std::int64_t begin) {
    for (std::int64_t k = begin; k < begin + options.steps; ++k)
      points.push_back({false, first, senders, 1.0 - static_cast<double>(k) / static_cast<double>(options.steps)});
  };
  switch (options.method) {
  case ScoreMethod::exact: break;
  case ScoreMethod::eap: points = {{}}; break;
  case ScoreMethod::clean_corrupted: points = {{}, {true}}; break;
  case ScoreMethod::eap_ig_inputs: integrate(0, 1, 0); break;
  case ScoreMethod::eap_ig_activations:
    integrate(0, 1, 1);
    for (int layer = 0; layer < static_cast<int>(graph.shape().n_layers); ++layer) {
      integrate(graph.sender(SenderKind::head, layer, 0), static_cast<int>(graph.shape().n_heads), 1);
      if (graph.shape().mlp) integrate(graph.sender(SenderKind::mlp, layer, -1), 1, 1);
    }
    break;
  }
  return points;
}

class ChunkScorer {
public:
  ChunkScorer(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task, const PairChunk& chunk)
      : engine_(engine), graph_(graph), task_(task), chunk_(chunk) {}

  Status prepare(const Replacement& replacement, const CancelToken& cancel) {
    HS_ASSIGN(const NodeOutputs clean, node_outputs(engine_, graph_, chunk_.clean, cancel));
    HS_ASSIGN(const at::Tensor replaced, replacement.values(chunk_, cancel));
    clean_logits_ = clean.logits;
    difference_ = (replaced - clean.values).to(at::kFloat); // [sender, row, pos, d_model]
    scores_ = at::zeros({graph_.edge_count()}, difference_.options().dtype(at::kDouble));
    return {};
  }

  Result<std::vector<double>> clean_metric() const {
    HS_ASSIGN(const at::Tensor values, chunk_metric(task_, chunk_, clean_logits_, clean_logits_));
    const at::Tensor x = values.to(at::kCPU).contiguous();
    return std::vector<double>(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  }

  Status add(const Point& point, const CancelToken& cancel) {
    GradientRequest request;
    request.run.batch = point.corrupt ? chunk_.corrupt : chunk_.clean;
    request.run.logits = LogitRows::last;
    request.run.cancel = cancel;
    request.metric = [this](const at::Tensor& logits) {
      const auto values = chunk_metric(task_, chunk_, logits, clean_logits_);
      if (!values.ok()) throw ErrorException(values.error());
      return values->sum();
    };
    if (point.first_sender >= 0) request.run.hooks.push_back(mixture(point));
    for (int layer = 0; layer < static_cast<int>(graph_.shape().n_layers); ++layer)
      for (const auto& [site, kind] : {std::pair(HookPoint::q_input, ReceiverKind::q),
                                       {HookPoint::k_input, ReceiverKind::k},
                                       {HookPoint::v_input, ReceiverKind::v},
                                       {HookPoint::mlp_in, ReceiverKind::mlp}})
        if (kind != ReceiverKind::mlp || graph_.shape().mlp)
          request.backward_hooks.push_back(reader({site, layer}, graph_.receiver(kind, layer, 0)));
    request.backward_hooks.push_back(reader({HookPoint::resid_post, static_cast<int>(graph_.shape().n_layers) - 1},
                                            graph_.receiver(ReceiverKind::logits, -1, -1)));
    HS_ASSIGN([[maybe_unused]] const GradientResult result, engine_.run_with_gradients(request));
    multiply();
    return {};
  }

  const at::Tensor& scores() const { return scores_; } // [edge], summed over rows

private:
  // Puts constants between the clean outputs and their replacements; nothing flows back through them.
  Hook mixture(const Point& point) const {
    const HookSite site = output_site(graph_, point.first_sender);
    const at::Tensor added = difference_.narrow(0, point.first_sender, point.senders).sum(0) * point.share;
    return {site, [added](HookSite, at::Tensor x) { return x.detach() + added.to(x.scalar_type()); }};
  }

  // Keeps the gradient at the inputs of one or of several receivers until there are enough to multiply together.
  BackwardHook reader(HookSite site, int first_receiver) {
    return {site, [this, first_receiver](HookSite, at::Tensor gradient) {
              const c10::NoGradGuard no_grad;
              const at::Tensor values = gradient.to(at::kFloat);
              waiting_.push_back(
                  {first_receiver, (values.dim() == 4 ? values.permute({2, 0, 1, 3}) : values.unsqueeze(0))
                                       .flatten(1)}); // [receiver, row pos d_model]
              waiting_receivers_ += waiting_.back().gradient.size(0);
              if (waiting_receivers_ >= receivers_at_once) multiply();
              return gradient;
            }};
  }

  // The waiting gradients times the difference of every sender before them.
  void multiply() {
    if (waiting_.empty()) return;
    std::vector<at::Tensor> gradients;
    int reads = 0;
    for (const Waiting& each : waiting_) {
      gradients.push_back(each.gradient);
      reads = std::max(reads, reads_of(each.first_receiver));
    }
    const at::Tensor products = at::matmul(at::cat(gradients), difference_.narrow(0, 0, reads).flatten(1).t());
    std::int64_t row = 0;
    for (const Waiting& each : waiting_) {
      const at::Tensor of_these =
          products.narrow(0, row, each.gradient.size(0)).narrow(1, 0, reads_of(each.first_receiver)).flatten();
      row += each.gradient.size(0);
      const std::int64_t first = graph_.receivers()[static_cast<std::size_t>(each.first_receiver)].first_edge;
      scores_.narrow(0, first, of_these.numel()).add_(of_these);
    }
    waiting_.clear();
    waiting_receivers_ = 0;
  }

  int reads_of(int receiver) const { return graph_.receivers()[static_cast<std::size_t>(receiver)].reads; }

  struct Waiting {
    int first_receiver;
    at::Tensor gradient;
  };

  const Engine& engine_;
  const ComputationalGraph& graph_;
  const CircuitTask& task_;
  const PairChunk& chunk_;
  at::Tensor clean_logits_, difference_, scores_;
  std::vector<Waiting> waiting_;
  std::int64_t waiting_receivers_ = 0;
};

std::vector<double> sum_by_sender(const ComputationalGraph& graph, const std::vector<double>& edges) {
  std::vector<double> nodes(graph.senders().size(), 0.0);
  for (const Receiver& receiver : graph.receivers())
    for (int s = 0; s < receiver.reads; ++s)
      nodes[static_cast<std::size_t>(s)] += edges[static_cast<std::size_t>(receiver.first_edge + s)];
  return nodes;
}

} // namespace

Status score_by_gradients(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                          const ScoreOptions& options, const TaskContext& context, GraphScores& out) {
  HS_ASSIGN(const Replacement replacement, Replacement::prepare(engine, graph, task, context));
  const std::vector<PairChunk> chunks = chunk_pairs(engine, graph, task);
  const std::vector<Point> points = points_of(graph, options);
  at::Tensor total = at::zeros({graph.edge_count()}, at::kDouble);
  const auto runs = static_cast<std::int64_t>(chunks.size() * points.size());
  std::int64_t done = 0;
  for (const PairChunk& chunk : chunks) {
    ChunkScorer scorer(engine, graph, task, chunk);
    HS_TRY(scorer.prepare(replacement, context.cancel));
    HS_ASSIGN(const std::vector<double> clean, scorer.clean_metric());
    for (std::size_t i = 0; i < clean.size(); ++i)
      out.clean[static_cast<std::size_t>(chunk.pairs[i])] = clean[i];
    for (const Point& point : points) {
      HS_TRY(scorer.add(point, context.cancel));
      context.report("scoring edges", ++done, runs);
    }
    total += scorer.scores().to(at::kCPU);
  }
  total /= static_cast<double>(points.size() * task.pairs.size());
  out.edges.assign(total.const_data_ptr<double>(), total.const_data_ptr<double>() + total.numel());
  out.nodes = sum_by_sender(graph, out.edges);
  return {};
}

} // namespace headscope
