// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/growth.h"

#include <algorithm>
#include <limits>

#include "app/methods/bench/inputs.h"
#include "app/methods/bench/measure.h"
#include "app/methods/bench/random_model.h"
#include "app/runs/result_parts.h"
#include "core/mechanisms/plan.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

constexpr Named<GrowthKind> kinds[] = {
    {GrowthKind::forward, "forward", "logits of the last token"},
    {GrowthKind::statistics, "statistics", "and sums over every attention pattern"},
    {GrowthKind::sweep, "sweep", "zero-ablation of some heads, evenly over the layers"},
};
constexpr std::int64_t map_blocks = 256; // of the pooled map, a side at most

AttentionStatisticsRequest all_statistics(std::int64_t tokens) {
  AttentionStatisticsRequest request;
  request.key_sum = request.entropy = true;
  request.distances = {1};
  request.spans = {{0, 1}};
  request.top_k = static_cast<int>(std::min<std::int64_t>(8, tokens));
  const std::int64_t units = (tokens + map_blocks * kernels::pool_unit - 1) / (map_blocks * kernels::pool_unit);
  request.pool_block = units * kernels::pool_unit;
  request.done = [](const AttentionStatistics&) {};
  return request;
}

// A plan whose forms count what they score and attend to.
class CountedPlan : public LayeredAttention {
public:
  explicit CountedPlan(const mechanisms::AttentionPlan& plan) : plan_(plan) {}
  const char* name() const override { return plan_.name(); }
  LayerNeeds needs(int layer) const override { return plan_.needs(layer); }
  at::Tensor run_rows(const AttentionInput& in, const AttentionRows& rows) const override {
    AttentionRows counted = rows;
    counted.cost = &cost_;
    return plan_.run_rows(in, counted);
  }
  const AttentionCost& cost() const { return cost_; }

private:
  const mechanisms::AttentionPlan& plan_;
  mutable AttentionCost cost_; // of one run on the engine's thread
};

// One row's work, to be run as often as wanted.
class RowRunner {
public:
  RowRunner(const Engine& engine, const GrowthPlan& plan, const GrowthRow& row, const RunControl& control)
      : engine_(engine), plan_(plan), tokens_(random_rows(plan.batch, row.tokens, 0, engine.config().d_vocab)) {
    control_.cancel = control.cancel; // the sweep's own progress would hide that of the whole
    heads_ = spread_heads(plan.sweep_heads, engine.config());
    statistics_ = all_statistics(row.tokens);
  }

  Status run() const { return plan_.what == GrowthKind::sweep ? sweep() : forward(nullptr); }

  // The arithmetic under the engine's attention, where that is a plan: what its forms count, in one more run, in place
  // of full attention's pairs. NaN where nothing counts it.
  Result<double> flop_under_plan() const {
    const auto* mechanisms = dynamic_cast<const mechanisms::AttentionPlan*>(&engine_.attention());
    if (!mechanisms && &engine_.attention() == &default_attention()) return work().flop;
    if (!mechanisms || plan_.what != GrowthKind::forward) return std::numeric_limits<double>::quiet_NaN();
    const CountedPlan counted(*mechanisms);
    HS_TRY(forward(&counted));
    const ModelConfig& config = engine_.config();
    std::vector<std::int64_t> heads; // that attend fully
    for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer) {
      heads.push_back(config.n_heads);
      for (const mechanisms::PlanPart& part : mechanisms->parts(layer))
        heads.back() -= std::ssize(part.heads);
    }
    const WorkSize rest = forward_work(config, std::ssize(tokens_), std::ssize(tokens_.front()), 1, heads);
    const auto pairs = static_cast<double>(counted.cost().scored + counted.cost().attended);
    return rest.flop + 2.0 * pairs * static_cast<double>(config.d_head);
  }

  WorkSize work() const {
    const ModelConfig& config = engine_.config();
    const auto prompts = static_cast<std::int64_t>(tokens_.size());
    const auto length = static_cast<std::int64_t>(tokens_.front().size());
    const auto element = static_cast<std::int64_t>(c10::elementSize(engine_.model().dtype));
    if (plan_.what == GrowthKind::forward) return forward_work(config, prompts, length, element);
    if (plan_.what == GrowthKind::statistics) return statistics_work(config, prompts, length, element);
    std::vector<int> layers;
    for (const HeadId& head : heads_)
      layers.push_back(head.layer);
    return sweep_work(config, prompts, length, layers, tokens_per_run(plan_.tokens_per_run, engine_), element);
  }

private:
  // `attention`: in place of the engine's; null: that.
  Status forward(const AttentionBackend* attention) const {
    RunRequest request;
    request.attention = attention;
    request.batch = TokenBatch::pad(tokens_, TokenBatch::Side::right);
    request.until = LogitRows::last;
    request.cancel = control_.cancel;
    if (plan_.what == GrowthKind::statistics) request.statistics = &statistics_;
    HS_TRY(engine_.run(request));
    return {};
  }

  Status sweep() const {
    HeadAblationOptions how;
    how.heads = heads_;
    how.tokens_per_run = plan_.tokens_per_run;
    HS_ASSIGN(const HeadAblationResult result, ablate_heads(engine_, sweep_prompts(tokens_), how, control_));
    if (!result.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return {};
  }

  const Engine& engine_;
  const GrowthPlan& plan_;
  std::vector<std::vector<std::int64_t>> tokens_;
  std::vector<HeadId> heads_;
  AttentionStatisticsRequest statistics_;
  RunControl control_;
};

bool grows_from(const GrowthRow& row, const GrowthRow& smaller) {
  return row.axis == smaller.axis && row.tokens >= smaller.tokens && row.heads >= smaller.heads &&
         row.layers >= smaller.layers;
}

std::string row_name(const GrowthRow& row) {
  return std::to_string(row.tokens) + " tokens, " + std::to_string(row.heads) + " heads, " +
         std::to_string(row.layers) + " layers";
}

} // namespace

std::vector<GrowthRow> growth_rows(const ModelConfig& config, const std::vector<std::int64_t>& tokens,
                                   const std::vector<std::int64_t>& heads, const std::vector<std::int64_t>& layers) {
  std::vector<GrowthRow> rows;
  const auto add = [&](const char* axis, std::int64_t t, std::int64_t h, std::int64_t l) {
    GrowthRow row;
    row.axis = axis, row.tokens = t, row.heads = h, row.layers = l;
    rows.push_back(row);
  };
  for (const std::int64_t t : tokens)
    add("tokens", t, config.n_heads, config.n_layers);
  for (const std::int64_t h : heads)
    add("heads", tokens.front(), h, config.n_layers);
  for (const std::int64_t l : layers)
    add("layers", tokens.front(), config.n_heads, l);
  return rows;
}

Status measure_growth(const std::shared_ptr<const Model>& model, std::shared_ptr<const AttentionBackend> attention,
                      GrowthPlan plan, const RunControl& control, GrowthRun& run) {
  double all_flop = 0.0, done_flop = 0.0; // the time left follows the work, not the number of rows
  for (GrowthRow& row : plan.rows) {
    HS_ASSIGN(const auto part, part_of_model(model, row.layers, row.heads));
    const Engine engine(part, attention);
    HS_TRY(check_rows({random_rows(1, row.tokens, 0, part->config.d_vocab)}, engine, "row of --tokens"));
    row.work = RowRunner(engine, plan, row, control).work();
    all_flop += row.work.flop;
  }
  std::vector<GrowthRow> too_large;
  for (GrowthRow& row : plan.rows) {
    control.report("measuring growth", static_cast<std::int64_t>(done_flop / all_flop * 1000.0), 1000);
    done_flop += row.work.flop;
    if (std::any_of(too_large.begin(), too_large.end(), [&](const GrowthRow& r) { return grows_from(row, r); })) {
      run.skipped.push_back(row_name(row) + ": more than what ran out of memory");
      continue;
    }
    HS_ASSIGN(const auto part, part_of_model(model, row.layers, row.heads));
    const Engine engine(part, attention);
    const RowRunner runner(engine, plan, row, control);
    const auto measured = measure(model->device, [&] { return runner.run(); });
    if (!measured.ok() && measured.error().code == ErrorCode::out_of_memory) {
      run.skipped.push_back(row_name(row) + ": out of memory");
      too_large.push_back(row);
      continue;
    }
    if (!measured.ok()) return measured.error();
    HS_ASSIGN(row.work.flop, runner.flop_under_plan());
    row.seconds = measured->seconds;
    row.memory_bytes = measured->memory_bytes;
    run.rows.push_back(row);
  }
  control.report("measuring growth", 1000, 1000);
  return {};
}

} // namespace headscope::methods

namespace headscope {
template <> std::span<const Named<methods::GrowthKind>> names_of<methods::GrowthKind>() { return methods::kinds; }
} // namespace headscope
