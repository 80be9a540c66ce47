// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/gradient_scores.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "core/circuits/block_backward.h"
#include "core/circuits/head_input_gradients.h"
#include "core/circuits/shared_prefix.h"
#include "core/circuits/sites.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// The most tokens that copies of a chunk run together have.
constexpr std::int64_t tokens_together = 4096;

// Runs whose gradients are summed; they differ only in the share of a difference added to the outputs of some senders.
struct Points {
  bool corrupt = false;               // on the corrupt prompt
  int first_sender = 0, senders = 0;  // 0: nothing is added
  std::vector<double> shares = {0.0}; // one a run
};

std::vector<Points> points_of(const ComputationalGraph& graph, const ScoreOptions& options) {
  std::vector<Points> points;
  const auto integrate = [&](int first, int senders, std::int64_t begin) {
    Points each{false, first, senders, {}};
    for (std::int64_t k = begin; k < begin + options.steps; ++k)
      each.shares.push_back(1.0 - static_cast<double>(k) / static_cast<double>(options.steps));
    points.push_back(std::move(each));
  };
  switch (options.method) {
  case ScoreMethod::exact: break;
  case ScoreMethod::eap: points.resize(1); break;
  case ScoreMethod::clean_corrupted:
    points.resize(2);
    points[1].corrupt = true;
    break;
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

std::int64_t count_runs(const std::vector<Points>& points) {
  std::int64_t runs = 0;
  for (const Points& each : points)
    runs += static_cast<std::int64_t>(each.shares.size());
  return runs;
}

class ChunkScorer {
public:
  ChunkScorer(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
              const ScoreOptions& options, CancelToken cancel)
      : engine_(engine), graph_(graph), task_(task), options_(options), cancel_(std::move(cancel)) {}

  Status prepare(const PairChunk& chunk, const Replacement& replacement) {
    HS_ASSIGN(shared_, share_prefix(engine_, chunk, cancel_));
    HS_ASSIGN(const NodeOutputs clean, node_outputs(engine_, graph_, shared_.rest.clean, cancel_, shared_.cache()));
    HS_ASSIGN(const at::Tensor replaced, replacement.values(shared_.rest, cancel_, shared_.cache()));
    clean_logits_ = clean.logits;
    clean_input_ = clean.values[0].clone();
    if (shared_.rest.corrupt.tokens.defined()) corrupt_input_ = replaced[0].clone();
    difference_ = (replaced - clean.values).to(at::kFloat); // [sender, row, pos, d_model]
    scores_ = at::zeros({graph_.edge_count()}, difference_.options().dtype(at::kDouble));
    return {};
  }

  Result<std::vector<double>> clean_metric() const {
    HS_ASSIGN(const at::Tensor values, chunk_metric(task_, shared_.rest, clean_logits_, clean_logits_));
    const at::Tensor x = values.to(at::kCPU).contiguous();
    return std::vector<double>(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  }

  // Adds the scores of some points, and calls `report` after each run.
  Status add(const Points& points, const std::function<void(std::int64_t runs)>& report) {
    const std::int64_t most = std::max<std::int64_t>(1, tokens_together / shared_.rest.clean.tokens.numel());
    const auto count = static_cast<std::int64_t>(points.shares.size());
    for (std::int64_t begin = 0; begin < count; begin += most) {
      const std::int64_t copies = std::min(most, count - begin);
      HS_TRY(add_copies(points,
                        std::vector<double>(points.shares.begin() + begin, points.shares.begin() + begin + copies)));
      report(copies);
    }
    return {};
  }

  // Completes points that begin above the first layer. Below, all of them are the clean run, so the sum of their
  // gradients is propagated through those blocks once.
  Status finish() {
    if (waiting_.empty()) return {};
    const BlockBackward backward = blocks(1);
    at::Tensor gradient;
    for (int layer = waiting_.rbegin()->first - 1; layer >= 0; --layer) {
      if (const auto it = waiting_.find(layer + 1); it != waiting_.end())
        gradient = gradient.defined() ? gradient + it->second : it->second;
      HS_ASSIGN(const at::Tensor resid, clean_resid(layer));
      HS_ASSIGN(gradient, backward.block(layer, resid, gradient, {}));
    }
    waiting_.clear();
    return {};
  }

  const at::Tensor& scores() const { return scores_; } // [edge], summed over rows

private:
  Status add_copies(const Points& points, const std::vector<double>& shares) {
    copies_ = static_cast<std::int64_t>(shares.size());
    const int layer = points.first_sender == 0 ? 0 : output_site(graph_, points.first_sender).layer;
    at::Tensor resid = points.corrupt ? corrupt_input_ : clean_input_;
    if (layer > 0) {
      HS_ASSIGN(resid, clean_resid(layer));
    }
    resid = resid.repeat({copies_, 1, 1});
    std::vector<Hook> hooks;
    if (points.senders > 0) {
      const at::Tensor added = mixture(points, shares);
      if (points.first_sender == 0)
        resid = resid + added.to(resid.scalar_type());
      else // constants: nothing flows back through them
        hooks.push_back({output_site(graph_, points.first_sender),
                         [added](HookSite, at::Tensor x) { return x.detach() + added.to(x.scalar_type()); }});
    }
    const BlockBackward backward = blocks(copies_);
    HS_ASSIGN(const auto below, backward.run(layer, resid, hooks, [this](const at::Tensor& x) { return metric(x); }));
    multiply(graph_.receiver(ReceiverKind::logits, -1, -1), over_copies(below.resid_post).unsqueeze(0));
    if (layer == 0) return {};
    at::Tensor& waiting = waiting_[layer];
    const at::Tensor sum = over_copies(below.resid_pre).to(engine_.model().dtype);
    waiting = waiting.defined() ? waiting + sum : sum;
    return {};
  }

  // Returns what is added in each copy: [copies row, pos, d_model].
  at::Tensor mixture(const Points& points, const std::vector<double>& shares) const {
    const at::Tensor all = difference_.narrow(0, points.first_sender, points.senders).sum(0);
    std::vector<at::Tensor> copies;
    for (const double share : shares)
      copies.push_back(all * share);
    return at::cat(copies);
  }

  at::Tensor metric(const at::Tensor& logits) const {
    at::Tensor sum;
    for (const at::Tensor& copy : logits.chunk(copies_)) {
      const auto values = chunk_metric(task_, shared_.rest, copy, clean_logits_);
      if (!values.ok()) throw ErrorException(values.error());
      sum = sum.defined() ? sum + values->sum() : values->sum();
    }
    return sum;
  }

  // Returns resid_pre of the clean run; the first call computes and keeps all of them.
  Result<at::Tensor> clean_resid(int layer) {
    if (clean_resids_.empty()) {
      RunRequest request;
      request.batch = shared_.rest.clean;
      request.past = KvPast::read(shared_.cache());
      request.until = LogitRows::none;
      request.cancel = cancel_;
      for (int each = 0; each < static_cast<int>(graph_.shape().n_layers); ++each)
        request.capture.push_back({HookPoint::resid_pre, each});
      HS_ASSIGN(const RunResult result, engine_.run(request));
      for (const HookSite& site : request.capture)
        clean_resids_.push_back(result.cache.all().at(site));
    }
    return clean_resids_[static_cast<std::size_t>(layer)];
  }

  BlockBackward blocks(std::int64_t copies) {
    copies_ = copies;
    if (shared_.cache()) repeated_keys_ = shared_.repeated(copies);
    return {engine_,
            repeated(shared_.rest.clean, copies),
            shared_.cache() ? &repeated_keys_ : nullptr,
            options_.activation_bytes,
            cancel_,
            [this](const BlockGradients& block) { take(block); }};
  }

  void take(const BlockGradients& block) {
    const ModelConfig& config = engine_.config();
    const BlockWeights& weights = engine_.model().weights.blocks[static_cast<std::size_t>(block.layer)];
    const std::int64_t heads = config.n_heads, kv = config.n_kv_heads;
    const auto read = [&](ReceiverKind kind, std::int64_t first, std::int64_t count, const at::Tensor& values,
                          const at::Tensor& gradients) {
      multiply(graph_.receiver(kind, block.layer, 0),
               head_input_gradients(config, weights, {first, count}, block.resid, values, gradients, copies_));
    };
    read(ReceiverKind::q, 0, heads, block.q, block.dq);
    read(ReceiverKind::k, heads, kv, block.k, block.dk);
    read(ReceiverKind::v, heads + kv, kv, block.v, block.dv);
    if (block.d_mlp_in.defined())
      multiply(graph_.receiver(ReceiverKind::mlp, block.layer, -1), over_copies(block.d_mlp_in).unsqueeze(0));
  }

  // Sums over copies: [copies row, pos, d_model] -> [row, pos, d_model], float32.
  at::Tensor over_copies(const at::Tensor& gradient) const {
    const at::Tensor x = gradient.to(at::kFloat);
    return x.reshape({copies_, x.size(0) / copies_, x.size(1), x.size(2)}).sum(0);
  }

  // Multiplies the gradients at the inputs of consecutive receivers, [receiver, row, pos, d_model], with the difference
  // of every sender before them.
  void multiply(int first_receiver, const at::Tensor& gradients) {
    const Receiver& receiver = graph_.receivers()[static_cast<std::size_t>(first_receiver)];
    const at::Tensor products =
        at::matmul(gradients.flatten(1), difference_.narrow(0, 0, receiver.reads).flatten(1).t()).flatten();
    scores_.narrow(0, receiver.first_edge, products.numel()).add_(products);
  }

  const Engine& engine_;
  const ComputationalGraph& graph_;
  const CircuitTask& task_;
  const ScoreOptions& options_;
  CancelToken cancel_;
  SharedPrefix shared_;
  KvCache repeated_keys_;
  std::int64_t copies_ = 1;
  at::Tensor clean_logits_, clean_input_, corrupt_input_, difference_, scores_;
  std::vector<at::Tensor> clean_resids_;
  std::map<int, at::Tensor> waiting_; // by layer: d metric / d resid_pre [row, pos, d_model]
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
                          const ScoreOptions& options, const RunControl& context, GraphScores& out) {
  HS_ASSIGN(const Replacement replacement, Replacement::prepare(engine, graph, task, context));
  const std::vector<PairChunk> chunks = chunk_pairs(engine, graph, task);
  const std::vector<Points> points = points_of(graph, options);
  at::Tensor total = at::zeros({graph.edge_count()}, at::kDouble);
  const std::int64_t runs = static_cast<std::int64_t>(chunks.size()) * count_runs(points);
  std::int64_t done = 0;
  for (const PairChunk& chunk : chunks) {
    ChunkScorer scorer(engine, graph, task, options, context.cancel);
    HS_TRY(scorer.prepare(chunk, replacement));
    HS_ASSIGN(const std::vector<double> clean, scorer.clean_metric());
    for (std::size_t i = 0; i < clean.size(); ++i)
      out.clean[static_cast<std::size_t>(chunk.pairs[i])] = clean[i];
    for (const Points& each : points)
      HS_TRY(scorer.add(each, [&](std::int64_t count) { context.report("scoring edges", done += count, runs); }));
    HS_TRY(scorer.finish());
    total += scorer.scores().to(at::kCPU);
  }
  total /= static_cast<double>(count_runs(points) * static_cast<std::int64_t>(task.pairs.size()));
  out.edges.assign(total.const_data_ptr<double>(), total.const_data_ptr<double>() + total.numel());
  out.nodes = sum_by_sender(graph, out.edges);
  return {};
}

} // namespace headscope
