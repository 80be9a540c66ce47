// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/attribution_patching.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/base/random.h"
#include "core/model/guard.h"
#include "core/sweeps/patch_plan.h"

namespace headscope {
namespace {

// A cell of the result by its index in the arrays.
struct CellIndex {
  std::int64_t pair = 0, layer = 0, position = 0, head = 0;
};

CellIndex cell_at(const PatchingResult& result, std::size_t index) {
  auto i = static_cast<std::int64_t>(index);
  CellIndex place;
  place.head = i % result.n_heads;
  i /= result.n_heads;
  place.position = i % result.n_positions;
  i /= result.n_positions;
  place.layer = i % result.n_layers;
  place.pair = i / result.n_layers;
  return place;
}

class Estimate {
public:
  Estimate(const Engine& engine, const PatchingOptions& options, const PatchPlan& plan, const RunControl& control,
           PatchingResult& result)
      : engine_(engine), options_(options), plan_(plan), control_(control), result_(result) {
    for (const int layer : plan.layers)
      sites_.push_back({plan.site, layer});
  }

  Status run() {
    std::int64_t done = 0;
    for (const auto& chunk : chunk_rows(plan_.clean, 1, tokens_per_run(options_.tokens_per_run, engine_), false)) {
      HS_TRY(run_chunk(chunk));
      done += static_cast<std::int64_t>(chunk.size());
      control_.report("estimating patches", done, result_.n_pairs);
    }
    return options_.part_of_batch ? Status{} : check_difference(result_);
  }

private:
  Status run_chunk(const std::vector<std::int64_t>& chunk) {
    HS_ASSIGN(const Judge judge, judge_of(engine_, plan_, chunk, control_.cancel));
    RunRequest source;
    source.batch = TokenBatch::pad(select_rows(plan_.source(), chunk), TokenBatch::Side::right);
    source.until = LogitRows::last;
    source.capture = sites_;
    source.cancel = control_.cancel;
    HS_ASSIGN(const RunResult from, engine_.run(source));
    GradientRequest destination;
    destination.run = source;
    destination.run.batch = TokenBatch::pad(select_rows(plan_.destination(), chunk), TokenBatch::Side::right);
    destination.gradients = sites_;
    destination.metric = [&](const at::Tensor& logits) {
      const auto values = metric_values(options_.metric, logits, judge.answers, judge.reference);
      if (!values.ok()) throw ErrorException(values.error());
      return values->sum();
    };
    HS_ASSIGN(const GradientResult to, engine_.run_with_gradients(destination));
    HS_TRY(keep_metrics(chunk, judge, from.logits, to.logits));
    for (const HookSite& site : sites_) {
      HS_ASSIGN(const at::Tensor a, from.cache.get(site));
      HS_ASSIGN(const at::Tensor b, to.cache.get(site));
      HS_ASSIGN(const at::Tensor gradient, to.gradients.get(site));
      keep_layer(chunk, site.layer, a, b, gradient);
    }
    return {};
  }

  Status keep_metrics(const std::vector<std::int64_t>& chunk, const Judge& judge, const at::Tensor& source,
                      const at::Tensor& destination) {
    std::vector<std::int64_t> rows(chunk.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<std::int64_t>(i);
    HS_ASSIGN(const std::vector<double> from, judge.values(source, rows));
    HS_ASSIGN(const std::vector<double> to, judge.values(destination, rows));
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      const auto pair = static_cast<std::size_t>(chunk[i]);
      result_.clean[pair] = plan_.noising ? to[i] : from[i];
      result_.corrupt[pair] = plan_.noising ? from[i] : to[i];
    }
    return {};
  }

  void keep_layer(const std::vector<std::int64_t>& chunk, int layer, const at::Tensor& source,
                  const at::Tensor& destination, const at::Tensor& gradient) {
    // Masked scores are -inf in both runs; their difference counts as 0.
    at::Tensor effect = ((source - destination).nan_to_num() * gradient).to(at::kDouble).sum(-1);
    if (hook_axes(plan_.site) == HookAxes::head_query_key) effect = effect.transpose(1, 2); // [row, query, head]
    effect = effect.to(at::kCPU);
    if (effect.dim() == 2) effect = effect.unsqueeze(-1); // [row, pos, 1]
    for (std::size_t row = 0; row < chunk.size(); ++row) {
      const auto pair = static_cast<std::size_t>(chunk[row]);
      const double before = plan_.noising ? result_.clean[pair] : result_.corrupt[pair];
      const auto length = static_cast<std::int64_t>(plan_.clean[pair].size());
      at::Tensor of_row = effect[static_cast<std::int64_t>(row)].narrow(0, 0, length);
      if (plan_.axes == PatchAxes::layer_head) of_row = of_row.sum(0, true);
      if (plan_.axes == PatchAxes::layer_position) of_row = of_row.sum(1, true);
      for (const PatchCell& cell : plan_.cells(length))
        keep_patched(result_, chunk[row], layer, cell,
                     before + of_row[cell.position_index][cell.head_index].item<double>());
    }
  }

  const Engine& engine_;
  const PatchingOptions& options_;
  const PatchPlan& plan_;
  const RunControl& control_;
  PatchingResult& result_;
  std::vector<HookSite> sites_;
};

// Chooses the cells to patch exactly, strongest first.
std::vector<std::size_t> choose_cells(const PatchingResult& result, bool noising, const GuardOptions& guard) {
  std::vector<std::size_t> cells;
  for (std::size_t i = 0; i < result.restored.size(); ++i)
    if (std::isfinite(result.restored[i])) cells.push_back(i);
  const auto size = [&](std::size_t i) { return std::abs(result.restored[i] - (noising ? 1.0 : 0.0)); };
  std::stable_sort(cells.begin(), cells.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  const auto count = [&](std::int64_t wanted, std::size_t most) {
    return std::min(most, static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0)));
  };
  const std::size_t strongest = count(guard.strongest, cells.size());
  std::vector<std::size_t> rest(cells.begin() + static_cast<std::ptrdiff_t>(strongest), cells.end());
  Random(guard.seed).shuffle(rest);
  rest.resize(count(guard.random, rest.size()));
  cells.resize(strongest);
  cells.insert(cells.end(), rest.begin(), rest.end());
  return cells;
}

// Patches the chosen cells of one pair, layer by layer.
Status check_pair(const Engine& engine, const PatchingOptions& options, const PatchPlan& plan,
                  const PatchingResult& result, std::int64_t pair, std::vector<CheckedCell*> cells,
                  const RunControl& control) {
  std::stable_sort(cells.begin(), cells.end(),
                   [](const CheckedCell* a, const CheckedCell* b) { return a->layer < b->layer; });
  Judge judge{options.metric, {plan.answers[static_cast<std::size_t>(pair)]}, {}};
  if (needs_reference(options.metric)) {
    HS_ASSIGN(judge.reference, last_logits(engine, select_rows(plan.clean, {pair}), control.cancel));
  }
  LayerWalk source(engine, select_rows(plan.source(), {pair}), control.cancel);
  LayerWalk destination(engine, select_rows(plan.destination(), {pair}), control.cancel);
  const std::vector<PatchCell> all =
      plan.cells(static_cast<std::int64_t>(plan.clean[static_cast<std::size_t>(pair)].size()));
  for (std::size_t begin = 0; begin < cells.size();) {
    const int layer = cells[begin]->layer;
    HS_ASSIGN(const at::Tensor activation, source.capture({plan.site, layer}));
    std::vector<Variant> variants;
    std::size_t end = begin;
    for (; end < cells.size() && cells[end]->layer == layer; ++end) {
      const auto cell = std::find_if(all.begin(), all.end(), [&](const PatchCell& c) {
        return c.position_index == cells[end]->position && c.head_index == cells[end]->head;
      });
      variants.push_back({0, plan.intervention(layer, *cell, activation[0])});
    }
    HS_ASSIGN(const std::vector<double> values,
              measure_variants(engine, destination, layer, variants, judge,
                               tokens_per_run(options.tokens_per_run, engine), control.cancel));
    for (std::size_t i = 0; i < values.size(); ++i)
      cells[begin + i]->exact = restored_of(result, pair, values[i]);
    begin = end;
  }
  return {};
}

Status check_cells(const Engine& engine, const PatchingOptions& options, const PatchPlan& plan,
                   const GuardOptions& guard, const RunControl& control, AttributionPatching& out) {
  for (const std::size_t index : choose_cells(out.estimated, plan.noising, guard)) {
    const CellIndex place = cell_at(out.estimated, index);
    out.checked.push_back({place.pair, static_cast<int>(place.layer), place.position, place.head,
                           out.estimated.restored[index], 0.0, false});
  }
  std::vector<std::vector<CheckedCell*>> by_pair(static_cast<std::size_t>(out.estimated.n_pairs));
  for (CheckedCell& cell : out.checked)
    by_pair[static_cast<std::size_t>(cell.pair)].push_back(&cell);
  for (std::size_t pair = 0; pair < by_pair.size(); ++pair) {
    if (!by_pair[pair].empty())
      HS_TRY(check_pair(engine, options, plan, out.estimated, static_cast<std::int64_t>(pair), by_pair[pair], control));
    control.report("checking estimates", static_cast<std::int64_t>(pair + 1), out.estimated.n_pairs);
  }
  for (CheckedCell& cell : out.checked) {
    const double error = std::abs(cell.estimated - cell.exact);
    cell.agrees =
        error <= std::max(guard.absolute, guard.relative * std::max(std::abs(cell.estimated), std::abs(cell.exact)));
  }
  return {};
}

} // namespace

std::int64_t AttributionPatching::disagreements() const {
  return std::count_if(checked.begin(), checked.end(), [](const CheckedCell& cell) { return !cell.agrees; });
}

Result<AttributionPatching> attribute_patches(const Engine& engine, const std::vector<PatchPair>& pairs,
                                              const PatchingOptions& options, const GuardOptions& guard,
                                              const RunControl& control) {
  return guarded("estimating patches", [&]() -> Result<AttributionPatching> {
    HS_TRY(check_has_gradient(options.metric, "patch exactly, or use logit_diff"));
    HS_ASSIGN(const PatchPlan plan, plan_patching(engine, pairs, options));
    AttributionPatching out;
    out.estimated = empty_result(engine, plan);
    HS_TRY(Estimate(engine, options, plan, control, out.estimated).run());
    HS_TRY(check_cells(engine, options, plan, guard, control, out));
    out.estimated.complete = true;
    return out;
  });
}

} // namespace headscope
