// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/compare/compare_run.h"

#include <algorithm>
#include <map>

namespace headscope::methods {
namespace {

using mechanisms::AttentionPlan;
using mechanisms::TextRun;

using Plan = std::shared_ptr<const AttentionPlan>;

// Null where the plan leaves everything at full attention.
Result<Plan> plan_of(const std::string& spec, const ModelConfig& config) {
  auto plan = AttentionPlan::parse(spec, config);
  if (!plan.ok()) return make_error(plan.error().code, plan.error().message, {}, "--attention");
  for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer)
    if (!(*plan)->parts(layer).empty()) return *plan;
  return Plan{};
}

class Runner {
public:
  Runner(const Engine& engine, const CompareTask& task, const Context& context)
      : engine_(engine), task_(task), control_(context.control()) {
    const auto lengths = std::ssize(task.lengths), mechanisms = std::ssize(task.attention);
    total_ = lengths + mechanisms * (lengths + (task.heads ? 1 : 0));
  }

  // Runs full attention at every length, which all mechanisms are compared with.
  Status run_full() {
    for (const std::int64_t tokens : task_.lengths) {
      step();
      HS_ASSIGN(full_[tokens], mechanisms::run_text(engine_, first(tokens), nullptr, control_));
    }
    return {};
  }

  Result<MechanismResult> run(const std::string& spec, const Plan& plan) {
    MechanismResult result;
    result.attention = spec;
    for (const std::int64_t tokens : task_.lengths) {
      step();
      TextRun own = full_.at(tokens);
      if (plan) {
        HS_ASSIGN(own, mechanisms::run_text(engine_, first(tokens), plan.get(), control_));
      }
      HS_ASSIGN(const auto predictions,
                mechanisms::compare_predictions(engine_, first(tokens), full_.at(tokens), own, task_.skip, control_));
      result.lengths.push_back({tokens, predictions, own.seconds});
    }
    if (!task_.heads) return result;
    step();
    if (plan) {
      HS_ASSIGN(result.heads, mechanisms::measure_heads(engine_, task_.ids, plan, task_.skip, control_));
    }
    return result;
  }

private:
  std::vector<std::int64_t> first(std::int64_t tokens) const { return {task_.ids.begin(), task_.ids.begin() + tokens}; }
  void step() { control_.report("comparing mechanisms", done_++, total_); }

  const Engine& engine_;
  const CompareTask& task_;
  RunControl control_;
  std::int64_t done_ = 0, total_ = 0;
  std::map<std::int64_t, TextRun> full_; // by length
};

} // namespace

Result<Comparison> run_comparison(const Engine& engine, const CompareTask& task, const Context& context) {
  Comparison comparison;
  comparison.tokens = std::ssize(task.ids);
  comparison.skip = task.skip;
  comparison.n_layers = engine.config().n_layers;
  comparison.n_heads = engine.config().n_heads;
  std::vector<Plan> plans; // all are read before the first of them runs
  for (const std::string& spec : task.attention) {
    HS_ASSIGN(Plan plan, plan_of(spec, engine.config()));
    plans.push_back(std::move(plan));
  }
  Runner runner(engine, task, context);
  Status status = runner.run_full();
  for (std::size_t i = 0; i < plans.size() && status.ok(); ++i) {
    auto result = runner.run(task.attention[i], plans[i]);
    if (result.ok())
      comparison.mechanisms.push_back(std::move(*result));
    else
      status = result.error();
  }
  context.finish_progress();
  if (!status.ok() && status.error().code != ErrorCode::cancelled) return status.error();
  comparison.complete = status.ok();
  return comparison;
}

} // namespace headscope::methods
