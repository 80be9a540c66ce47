// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/exact_scores.h"

#include <ATen/ATen.h>

#include "core/circuits/node_outputs.h"
#include "core/circuits/sites.h"
#include "core/sweeps/sweep.h"

namespace headscope {
namespace {

// One number to measure for every pair: that of an edge, or of all edges of a sender.
struct Cell {
  NodeSite place;
  int sender = 0;        // whose difference is added there
  std::size_t index = 0; // in sums_: edges first, then senders
};

// Groups the cells by the layer of their site.
std::vector<std::vector<Cell>> cells_of(const ComputationalGraph& graph) {
  std::vector<std::vector<Cell>> cells(static_cast<std::size_t>(graph.shape().n_layers));
  const auto put = [&](const NodeSite& place, int sender, std::int64_t index) {
    cells[static_cast<std::size_t>(place.site.layer)].push_back({place, sender, static_cast<std::size_t>(index)});
  };
  for (std::size_t r = 0; r < graph.receivers().size(); ++r)
    for (int s = 0; s < graph.receivers()[r].reads; ++s)
      put(input_site(graph, static_cast<int>(r)), s, graph.receivers()[r].first_edge + s);
  for (int s = 0; s < static_cast<int>(graph.senders().size()); ++s)
    put({output_site(graph, s), std::nullopt}, s, graph.edge_count() + s);
  return cells;
}

class ExactSweep {
public:
  ExactSweep(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task, const RunControl& context,
             GraphScores& out)
      : engine_(engine), graph_(graph), task_(task), context_(context), out_(out), cells_(cells_of(graph)),
        sums_(out.edges.size() + out.nodes.size()), counts_(sums_.size()) {}

  Status run() {
    const Status status = run_chunks();
    for (std::size_t i = 0; i < sums_.size(); ++i)
      if (counts_[i] > 0)
        (i < out_.edges.size() ? out_.edges[i] : out_.nodes[i - out_.edges.size()]) =
            sums_[i] / static_cast<double>(counts_[i]);
    return status;
  }

private:
  Status run_chunks() {
    HS_ASSIGN(const Replacement replacement, Replacement::prepare(engine_, graph_, task_, context_));
    for (const PairChunk& chunk : chunk_pairs(engine_, graph_, task_))
      HS_TRY(run_chunk(chunk, replacement));
    return {};
  }

  Status run_chunk(const PairChunk& chunk, const Replacement& replacement) {
    HS_ASSIGN(const NodeOutputs clean, node_outputs(engine_, graph_, chunk.clean, context_.cancel));
    HS_ASSIGN(const at::Tensor replaced, replacement.values(chunk, context_.cancel));
    const at::Tensor difference = replaced - clean.values;
    const Judge judge{task_.metric, chunk.answers, needs_reference(task_.metric) ? clean.logits : at::Tensor{}};
    std::vector<std::int64_t> rows;
    TokenRows tokens;
    for (std::size_t i = 0; i < chunk.pairs.size(); ++i) {
      rows.push_back(static_cast<std::int64_t>(i));
      tokens.push_back(task_.pairs[static_cast<std::size_t>(chunk.pairs[i])].clean);
    }
    HS_ASSIGN(const std::vector<double> unpatched, judge.values(clean.logits, rows));
    for (std::size_t i = 0; i < rows.size(); ++i)
      out_.clean[static_cast<std::size_t>(chunk.pairs[i])] = unpatched[i];
    LayerWalk walk(engine_, tokens, context_.cancel);
    for (std::size_t layer = 0; layer < cells_.size(); ++layer)
      HS_TRY(run_layer(static_cast<int>(layer), walk, difference, judge, unpatched));
    return {};
  }

  // Works in slices, so that a cancelled sweep keeps most of what it measured.
  Status run_layer(int layer, LayerWalk& walk, const at::Tensor& difference, const Judge& judge,
                   const std::vector<double>& unpatched) {
    const std::vector<Cell>& cells = cells_[static_cast<std::size_t>(layer)];
    const std::int64_t budget = tokens_per_run(task_.tokens_per_run, engine_);
    const std::size_t step = 256;
    for (std::size_t begin = 0; begin < cells.size(); begin += step) {
      const std::size_t end = std::min(cells.size(), begin + step);
      std::vector<Variant> variants;
      for (std::size_t c = begin; c < end; ++c)
        for (std::size_t row = 0; row < unpatched.size(); ++row) {
          Intervention add;
          add.site = cells[c].place.site;
          add.kind = InterventionKind::add;
          add.head = cells[c].place.head;
          add.value = difference.select(0, cells[c].sender).select(0, static_cast<std::int64_t>(row));
          variants.push_back({static_cast<std::int64_t>(row), std::move(add)});
        }
      HS_ASSIGN(const std::vector<double> values,
                measure_variants(engine_, walk, layer, variants, judge, budget, context_.cancel));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t index = cells[begin + i / unpatched.size()].index;
        sums_[index] += values[i] - unpatched[i % unpatched.size()];
        ++counts_[index];
      }
      done_ += static_cast<std::int64_t>(variants.size());
      context_.report("patching edges", done_, static_cast<std::int64_t>(sums_.size() * task_.pairs.size()));
    }
    return {};
  }

  const Engine& engine_;
  const ComputationalGraph& graph_;
  const CircuitTask& task_;
  const RunControl& context_;
  GraphScores& out_;
  std::vector<std::vector<Cell>> cells_;
  std::vector<double> sums_;
  std::vector<std::int64_t> counts_;
  std::int64_t done_ = 0;
};

} // namespace

Status score_exactly(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                     const RunControl& context, GraphScores& out) {
  return ExactSweep(engine, graph, task, context, out).run();
}

} // namespace headscope
