// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/run_circuit.h"

#include <numeric>

#include <ATen/ATen.h>

#include "core/circuits/node_outputs.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

constexpr std::int64_t kept_bytes = std::int64_t{512} << 20;

// What is outside the circuit, by receiver.
class Outside {
public:
  Outside(const ComputationalGraph& graph, const Circuit& circuit, const at::TensorOptions& options)
      : graph_(graph), circuit_(circuit), options_(options) {}

  // 1 where the edge is patched, [receiver, sender], for some receivers that read alike; undefined when none is.
  at::Tensor of(int first_receiver, std::int64_t count) const {
    const Receiver& first = graph_.receivers()[static_cast<std::size_t>(first_receiver)];
    at::Tensor mask = at::empty({count, first.reads}, at::kFloat);
    const std::uint8_t* edges = circuit_.edges.data() + first.first_edge;
    float* out = mask.mutable_data_ptr<float>();
    bool any = false;
    for (std::int64_t i = 0; i < mask.numel(); ++i) {
      any = any || !edges[i];
      out[i] = edges[i] ? 0.0F : 1.0F;
    }
    return any ? mask.to(options_) : at::Tensor{};
  }

private:
  const ComputationalGraph& graph_;
  const Circuit& circuit_;
  at::TensorOptions options_;
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

  Status prepare(const TaskContext& context) {
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
      request.logits = LogitRows::last;
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
  void patch_inputs(RunRequest& request, HookSite site, int first_receiver, std::int64_t count, const Outside& outside,
                    const at::Tensor& change) const {
    const at::Tensor mask = outside.of(first_receiver, count);
    if (!mask.defined()) return;
    request.hooks.push_back({site, [mask, change](HookSite, at::Tensor x) {
                               const at::Tensor before = change.narrow(0, 0, mask.size(1));
                               at::Tensor sum = at::matmul(mask, before.flatten(1)); // [receiver, row pos d_model]
                               sum = sum.view({mask.size(0), before.size(1), before.size(2), before.size(3)});
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
    request.logits = LogitRows::last;
    request.cancel = cancel;
    watch_outputs(
        engine, graph,
        [&](int first, const at::Tensor& values) {
          change.narrow(0, first, values.size(0)).copy_(wanted.narrow(0, first, values.size(0)) - values);
        },
        request);
    const Outside outside(graph, circuit, wanted.options());
    const auto patch = [&](HookSite site, ReceiverKind kind, std::int64_t count) {
      patch_inputs(request, site, graph.receiver(kind, site.layer, 0), count, outside, change);
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

Result<CircuitRunner> CircuitRunner::create(const Engine& engine, const CircuitTask& task, const TaskContext& context) {
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
