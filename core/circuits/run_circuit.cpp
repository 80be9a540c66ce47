// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/run_circuit.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "core/circuits/node_outputs.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

constexpr std::int64_t kept_bytes = std::int64_t{512} << 20;

// The change that patched edges make at the inputs of receivers that read the same senders. Where most edges of a
// receiver are patched, it is the change of all senders minus that of those in the circuit, so that small circuits cost
// as little as large ones.
class InputChange {
public:
  InputChange(const ComputationalGraph& graph, const Circuit& circuit, int first_receiver, std::int64_t receivers,
              const at::TensorOptions& options) {
    const Receiver& first = graph.receivers()[static_cast<std::size_t>(first_receiver)];
    reads_ = first.reads;
    at::Tensor all = at::zeros({receivers, 1}, at::kFloat), weights = at::zeros({receivers, first.reads}, at::kFloat);
    auto whole = all.accessor<float, 2>(), weight = weights.accessor<float, 2>();
    std::vector<std::uint8_t> used(static_cast<std::size_t>(first.reads));
    for (std::int64_t r = 0; r < receivers; ++r) {
      const std::uint8_t* edges = circuit.edges.data() + first.first_edge + r * first.reads;
      const std::int64_t kept = std::count(edges, edges + first.reads, 1);
      any_ = any_ || kept < first.reads;
      const bool mostly_patched = 2 * kept < first.reads;
      whole[r][0] = mostly_patched ? 1.0F : 0.0F;
      any_whole_ = any_whole_ || mostly_patched;
      for (int s = 0; s < first.reads; ++s) {
        if ((edges[s] != 0) != mostly_patched) continue;
        weight[r][s] = mostly_patched ? -1.0F : 1.0F;
        used[static_cast<std::size_t>(s)] = 1;
      }
    }
    std::vector<std::int64_t> senders;
    for (int s = 0; s < first.reads; ++s)
      if (used[static_cast<std::size_t>(s)]) senders.push_back(s);
    senders_ = at::tensor(senders, at::kLong);
    weights_ = weights.index_select(1, senders_).to(options);
    senders_ = senders_.to(options.device());
    whole_ = all.to(options);
  }

  bool any() const { return any_; }
  int reads() const { return reads_; }
  bool needs_whole() const { return any_whole_; }

  // Returns [receiver, row, pos, d_model]. `change`: [sender, row, pos, d_model]; `whole`: its sum over the senders
  // that are read [row, pos, d_model], where needs_whole().
  at::Tensor of(const at::Tensor& change, const at::Tensor& whole) const {
    at::Tensor sum = at::matmul(weights_, change.index_select(0, senders_).flatten(1));
    if (any_whole_) sum = sum + whole_ * whole.flatten().unsqueeze(0);
    return sum.view({weights_.size(0), change.size(1), change.size(2), change.size(3)});
  }

private:
  int reads_ = 0;
  bool any_ = false, any_whole_ = false;
  at::Tensor senders_, weights_, whole_;
};

// Running sums of the first senders' changes.
class RunningSum {
public:
  explicit RunningSum(at::Tensor change) : change_(std::move(change)) {}

  const at::Tensor& first(int count) {
    if (!sum_.defined()) sum_ = at::zeros_like(change_[0]);
    if (count > have_) sum_ = sum_ + change_.narrow(0, have_, count - have_).sum(0);
    have_ = std::max(have_, count);
    return sum_;
  }

private:
  at::Tensor change_, sum_;
  int have_ = 0;
};

} // namespace

struct CircuitRunner::State {
  const Engine& engine;
  ComputationalGraph graph;
  CircuitTask task;
  std::vector<PairChunk> chunks;
  std::optional<Replacement> replacement;
  std::vector<at::Tensor> clean_logits; // a chunk; only where the metric needs them
  mutable std::vector<at::Tensor> kept; // a chunk's replaced outputs, where they are kept
  bool keep = false;

  State(const Engine& e, const CircuitTask& t) : engine(e), graph(graph_shape(e.config())), task(t) {}

  Status prepare(const RunControl& context) {
    HS_TRY(check_task(engine, task));
    HS_ASSIGN(replacement, Replacement::prepare(engine, graph, task, context));
    chunks = chunk_pairs(engine, graph, task);
    std::int64_t tokens = 0;
    for (const PairChunk& chunk : chunks)
      tokens += chunk.clean.tokens.numel();
    keep = tokens * static_cast<std::int64_t>(graph.senders().size()) * engine.config().d_model * 4 <= kept_bytes;
    kept.resize(chunks.size());
    if (!needs_reference(task.metric)) return {};
    for (const PairChunk& chunk : chunks) {
      RunRequest request;
      request.batch = chunk.clean;
      request.until = LogitRows::last;
      request.cancel = context.cancel;
      HS_ASSIGN(const RunResult result, engine.run(request));
      clean_logits.push_back(result.logits);
    }
    return {};
  }

  Result<at::Tensor> replaced(std::size_t chunk, const CancelToken& cancel) const {
    if (kept[chunk].defined()) return kept[chunk];
    HS_ASSIGN(at::Tensor values, replacement->values(chunks[chunk], cancel));
    if (keep) kept[chunk] = values;
    return values;
  }

  // Adds what the patched edges change to the inputs of `count` receivers; `change` is [sender, row, pos, d_model].
  void patch_inputs(RunRequest& request, HookSite site, const InputChange& patch, const at::Tensor& change,
                    const std::shared_ptr<RunningSum>& sums) const {
    if (!patch.any()) return;
    request.hooks.push_back({site, [patch, change, sums](HookSite, at::Tensor x) {
                               const at::Tensor whole = patch.needs_whole() ? sums->first(patch.reads()) : at::Tensor{};
                               const at::Tensor sum = patch.of(change, whole);
                               return x + (x.dim() == 4 ? sum.permute({1, 2, 0, 3}) : sum[0]);
                             }});
  }

  Result<at::Tensor> logits(std::size_t index, const Circuit& circuit, const CancelToken& cancel) const {
    const PairChunk& chunk = chunks[index];
    HS_ASSIGN(const at::Tensor wanted, replaced(index, cancel));
    const auto senders = static_cast<std::int64_t>(graph.senders().size());
    const at::Tensor change = at::empty(
        {senders, chunk.clean.tokens.size(0), chunk.clean.tokens.size(1), engine.config().d_model}, wanted.options());
    RunRequest request;
    request.batch = chunk.clean;
    request.until = LogitRows::last;
    request.cancel = cancel;
    watch_outputs(
        engine, graph,
        [&](int first, const at::Tensor& values) {
          change.narrow(0, first, values.size(0)).copy_(wanted.narrow(0, first, values.size(0)) - values);
        },
        request);
    const auto sums = std::make_shared<RunningSum>(change);
    const auto patch = [&](HookSite site, ReceiverKind kind, std::int64_t count) {
      const InputChange input(graph, circuit, graph.receiver(kind, site.layer, 0), count, wanted.options());
      patch_inputs(request, site, input, change, sums);
    };
    for (int layer = 0; layer < static_cast<int>(graph.shape().n_layers); ++layer) {
      patch({HookPoint::q_input, layer}, ReceiverKind::q, graph.shape().n_heads);
      patch({HookPoint::k_input, layer}, ReceiverKind::k, graph.shape().n_kv_heads);
      patch({HookPoint::v_input, layer}, ReceiverKind::v, graph.shape().n_kv_heads);
      if (graph.shape().mlp) patch({HookPoint::mlp_in, layer}, ReceiverKind::mlp, 1);
    }
    patch({HookPoint::resid_post, static_cast<int>(graph.shape().n_layers) - 1}, ReceiverKind::logits, 1);
    HS_ASSIGN(const RunResult result, engine.run(request));
    return result.logits;
  }
};

Result<CircuitRunner> CircuitRunner::create(const Engine& engine, const CircuitTask& task, const RunControl& context) {
  return guarded("preparing circuits", [&]() -> Result<CircuitRunner> {
    CircuitRunner runner;
    runner.state_ = std::make_shared<State>(engine, task);
    HS_TRY(runner.state_->prepare(context));
    return runner;
  });
}

const ComputationalGraph& CircuitRunner::graph() const { return state_->graph; }
const CircuitTask& CircuitRunner::task() const { return state_->task; }

Result<std::vector<double>> CircuitRunner::metrics(const Circuit& circuit, const CancelToken& cancel) const {
  return guarded("running a circuit", [&]() -> Result<std::vector<double>> {
    if (static_cast<std::int64_t>(circuit.edges.size()) != state_->graph.edge_count())
      return make_error(ErrorCode::mismatch,
                        "the circuit has " + std::to_string(circuit.edges.size()) + " edges, the model's graph " +
                            std::to_string(state_->graph.edge_count()),
                        {}, "circuit");
    std::vector<double> out(state_->task.pairs.size());
    for (std::size_t i = 0; i < state_->chunks.size(); ++i) {
      HS_ASSIGN(const at::Tensor logits, state_->logits(i, circuit, cancel));
      const at::Tensor reference = state_->clean_logits.empty() ? at::Tensor{} : state_->clean_logits[i];
      HS_ASSIGN(const at::Tensor metric, chunk_metric(state_->task, state_->chunks[i], logits, reference));
      const at::Tensor values = metric.to(at::kCPU).contiguous();
      for (std::size_t row = 0; row < state_->chunks[i].pairs.size(); ++row)
        out[static_cast<std::size_t>(state_->chunks[i].pairs[row])] = values.const_data_ptr<double>()[row];
    }
    return out;
  });
}

Result<double> CircuitRunner::metric(const Circuit& circuit, const CancelToken& cancel) const {
  HS_ASSIGN(const std::vector<double> values, metrics(circuit, cancel));
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

} // namespace headscope
