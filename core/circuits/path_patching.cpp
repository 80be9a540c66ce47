// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/path_patching.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "core/circuits/node_outputs.h"
#include "core/circuits/sites.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

Result<std::vector<int>> senders_of(const ComputationalGraph& graph, const PathOptions& options) {
  if (options.receivers.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "receivers");
  int reach = 0;
  for (const int receiver : options.receivers)
    reach = std::max(reach, graph.receivers()[static_cast<std::size_t>(receiver)].reads);
  std::vector<int> senders = options.senders;
  for (int s = 0; options.senders.empty() && s < reach; ++s)
    if (graph.senders()[static_cast<std::size_t>(s)].kind == SenderKind::head) senders.push_back(s);
  for (const int sender : senders)
    if (sender >= reach)
      return make_error(ErrorCode::invalid_argument, "comes before none of the receivers", {},
                        graph.sender_name(sender));
  return senders;
}

class PathSweep {
public:
  PathSweep(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task, const PathOptions& options,
            const RunControl& context, PathEffects& out)
      : engine_(engine), graph_(graph), task_(task), options_(options), context_(context), out_(out) {
    for (std::size_t i = 0; i < out.senders.size(); ++i)
      order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return out.senders[a] < out.senders[b]; // a walk visits layers in increasing order only
    });
  }

  Status run() {
    HS_ASSIGN(const Replacement replacement, Replacement::prepare(engine_, graph_, task_, context_));
    for (const PairChunk& chunk : chunk_pairs(engine_, graph_, task_))
      HS_TRY(run_chunk(chunk, replacement));
    return {};
  }

private:
  struct Chunk {
    const PairChunk& pairs;
    at::Tensor difference, clean_logits;
    ActivationCache held; // attn_out and mlp_out of the clean run
  };

  int layers() const { return static_cast<int>(graph_.shape().n_layers); }

  Status run_chunk(const PairChunk& pairs, const Replacement& replacement) {
    HS_ASSIGN(const NodeOutputs clean, node_outputs(engine_, graph_, pairs.clean, context_.cancel));
    HS_ASSIGN(const at::Tensor replaced, replacement.values(pairs, context_.cancel));
    Chunk chunk{pairs, replaced - clean.values, clean.logits, {}};
    HS_TRY(hold(chunk));
    HS_ASSIGN(const std::vector<double> unpatched, metric(chunk, clean.logits));
    TokenRows tokens;
    for (std::size_t i = 0; i < pairs.pairs.size(); ++i) {
      out_.clean[static_cast<std::size_t>(pairs.pairs[i])] = unpatched[i];
      tokens.push_back(task_.pairs[static_cast<std::size_t>(pairs.pairs[i])].clean);
    }
    LayerWalk walk(engine_, tokens, context_.cancel);
    for (const std::size_t index : order_) {
      const int sender = out_.senders[index];
      const int layer = std::max(0, graph_.senders()[static_cast<std::size_t>(sender)].layer);
      HS_ASSIGN(const at::Tensor resid, walk.resid_at(layer));
      HS_ASSIGN(const std::vector<double> patched, patch(chunk, sender, layer, resid));
      for (std::size_t i = 0; i < patched.size(); ++i)
        out_.effects[index * task_.pairs.size() + static_cast<std::size_t>(pairs.pairs[i])] = patched[i] - unpatched[i];
      done_ += static_cast<std::int64_t>(pairs.pairs.size());
      context_.report("patching paths", done_, static_cast<std::int64_t>(out_.effects.size()));
    }
    return {};
  }

  Result<std::vector<double>> metric(const Chunk& chunk, const at::Tensor& logits) const {
    HS_ASSIGN(const at::Tensor values, chunk_metric(task_, chunk.pairs, logits, chunk.clean_logits));
    const at::Tensor x = values.to(at::kCPU).contiguous();
    return std::vector<double>(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  }

  Status hold(Chunk& chunk) const {
    RunRequest request;
    request.batch = chunk.pairs.clean;
    request.until = LogitRows::none;
    request.cancel = context_.cancel;
    for (int layer = 0; layer < layers(); ++layer) {
      request.capture.push_back({HookPoint::attn_out, layer});
      if (graph_.shape().mlp) request.capture.push_back({HookPoint::mlp_out, layer});
    }
    HS_ASSIGN(RunResult result, engine_.run(request));
    chunk.held = std::move(result.cache);
    return {};
  }

  RunRequest request_from(const Chunk& chunk, int layer, const at::Tensor& resid) const {
    RunRequest request;
    request.batch = chunk.pairs.clean;
    request.rows = {RowGroup::from_residual(layer, resid)};
    request.cancel = context_.cancel;
    return request;
  }

  // The run in which the sender writes its counterfactual output, and all heads (and MLPs where frozen) write what they
  // did.
  RunRequest sender_run(const Chunk& chunk, int sender, int layer, const at::Tensor& resid) const {
    RunRequest request = request_from(chunk, layer, resid);
    request.until = LogitRows::none;
    const HookSite own = output_site(graph_, sender);
    for (const auto& [site, value] : chunk.held.all()) {
      const bool held = site.point == HookPoint::attn_out || !options_.through_mlps;
      if (!held || site.layer < layer) continue;
      Intervention set;
      set.site = site;
      set.kind = InterventionKind::set;
      set.value = value;
      request.interventions.push_back(std::move(set));
    }
    Intervention add;
    add.site = own;
    add.kind = InterventionKind::add;
    add.value = chunk.difference[sender];
    request.interventions.push_back(std::move(add)); // after what its layer is held at
    for (const int receiver : options_.receivers)
      request.capture.push_back(input_site(graph_, receiver).site);
    return request;
  }

  Result<std::vector<double>> patch(const Chunk& chunk, int sender, int layer, const at::Tensor& resid) const {
    RunRequest first = sender_run(chunk, sender, layer, resid);
    std::erase_if(first.capture, [&](const HookSite& site) { return site.layer < layer; });
    HS_ASSIGN(const RunResult inputs, engine_.run(first));
    RunRequest second = request_from(chunk, layer, resid);
    second.until = LogitRows::last;
    for (const int receiver : options_.receivers) {
      const NodeSite place = input_site(graph_, receiver);
      if (place.site.layer < layer) continue; // before the sender: nothing changes there
      HS_ASSIGN(const at::Tensor input, inputs.cache.get(place.site));
      Intervention set;
      set.site = place.site;
      set.kind = InterventionKind::set;
      set.head = place.head;
      set.value = place.head ? input.select(2, *place.head) : input;
      second.interventions.push_back(std::move(set));
    }
    HS_ASSIGN(const RunResult result, engine_.run(second));
    return metric(chunk, result.logits);
  }

  const Engine& engine_;
  const ComputationalGraph& graph_;
  const CircuitTask& task_;
  const PathOptions& options_;
  const RunControl& context_;
  PathEffects& out_;
  std::vector<std::size_t> order_;
  std::int64_t done_ = 0;
};

} // namespace

double PathEffects::mean(std::size_t sender) const {
  double sum = 0.0, count = 0.0;
  for (std::size_t pair = 0; pair < clean.size(); ++pair) {
    const double effect = effects[sender * clean.size() + pair];
    if (std::isnan(effect)) continue;
    sum += effect;
    count += 1.0;
  }
  return count > 0.0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

Result<PathEffects> patch_paths(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                const PathOptions& options, const RunControl& context) {
  return guarded("patching paths", [&]() -> Result<PathEffects> {
    HS_TRY(check_task(engine, task));
    PathEffects out;
    HS_ASSIGN(out.senders, senders_of(graph, options));
    constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();
    out.effects.assign(out.senders.size() * task.pairs.size(), unmeasured);
    out.clean.assign(task.pairs.size(), unmeasured);
    const Status status = PathSweep(engine, graph, task, options, context, out).run();
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    out.complete = status.ok();
    return out;
  });
}

} // namespace headscope
