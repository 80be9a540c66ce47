// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/compare/compare_run.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "app/runs/known_mechanisms.h"
#include "core/mechanisms/summary.h"

namespace headscope::methods {
namespace {

using mechanisms::AttentionPlan;
using mechanisms::TextRun;

using Plan = std::shared_ptr<const AttentionPlan>;

// Null where the plan leaves everything at full attention.
Result<Plan> plan_of(const std::string& spec, const ModelConfig& config) {
  auto plan = AttentionPlan::parse(spec, config, mechanisms_for(spec));
  if (!plan.ok()) return make_error(plan.error().code, plan.error().message, plan.error().file, "--attention");
  for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer)
    if (!(*plan)->parts(layer).empty()) return *plan;
  return Plan{};
}

// The first tokens of a text with the needle at a depth, and the question and answer behind it: `tokens` in all.
std::vector<std::int64_t> with_needle(const CompareTask& task, std::int64_t tokens, double depth) {
  const NeedleTask& needle = task.needle;
  const std::int64_t room = tokens - needle.size();
  const auto before = static_cast<std::int64_t>(std::lround(depth * static_cast<double>(room)));
  std::vector<std::int64_t> out(task.ids.begin(), task.ids.begin() + before);
  out.insert(out.end(), needle.needle.begin(), needle.needle.end());
  out.insert(out.end(), task.ids.begin() + before, task.ids.begin() + room);
  out.insert(out.end(), needle.question.begin(), needle.question.end());
  out.insert(out.end(), needle.answer.begin(), needle.answer.end());
  return out;
}

class Runner {
public:
  Runner(const Engine& engine, const CompareTask& task, const Context& context)
      : engine_(engine), task_(task), context_(context), control_(context.control()), total_(task.runs()) {}

  // Runs full attention at every length, which all mechanisms are compared with, and no attention at the longest.
  Status run_bounds(Comparison& out) {
    for (const std::int64_t tokens : task_.lengths) {
      step();
      HS_ASSIGN(full_[tokens], mechanisms::run_text(engine_, first(tokens), nullptr, control_));
      HS_TRY(add_length(out.full, tokens, full_[tokens]));
    }
    out.full.attention = "full";
    HS_TRY(find_needles(out.full, nullptr));
    if (!task_.detectors.empty()) {
      step();
      HS_ASSIGN(detected_, detect_under(task_.detectors, engine_, nullptr, context_.silent()));
    }
    out.floor.attention = "none";
    HS_ASSIGN(const Plan none, plan_of("none", engine_.config()));
    step();
    HS_ASSIGN(const TextRun own, mechanisms::run_text(engine_, task_.ids, none.get(), control_));
    return add_length(out.floor, std::ssize(task_.ids), own);
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
      HS_TRY(add_length(result, tokens, own));
    }
    HS_TRY(find_needles(result, plan.get()));
    if (!task_.detectors.empty()) {
      step();
      if (plan) {
        HS_ASSIGN(const auto own, detect_under(task_.detectors, engine_, plan, context_.silent()));
        result.survival = survival(detected_, own);
      } else {
        result.survival = survival(detected_, detected_);
      }
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

  Status add_length(MechanismResult& result, std::int64_t tokens, const TextRun& own) {
    HS_ASSIGN(const auto predictions,
              mechanisms::compare_predictions(engine_, first(tokens), full_.at(tokens), own, task_.skip, control_));
    result.lengths.push_back({tokens, predictions, own.seconds});
    return {};
  }

  Status find_needles(MechanismResult& result, const AttentionPlan* plan) {
    if (task_.needle.answer.empty()) return {};
    for (const std::int64_t tokens : task_.lengths)
      for (const double depth : task_.needle.depths) {
        step();
        const std::vector<std::int64_t> text = with_needle(task_, tokens, depth);
        HS_ASSIGN(const TextRun own, mechanisms::run_text(engine_, text, plan, control_));
        HS_ASSIGN(const double nll,
                  mechanisms::loss_of_last(engine_, text, own, std::ssize(task_.needle.answer), control_));
        result.needles.push_back({tokens, depth, nll});
      }
    return {};
  }

  const Engine& engine_;
  const CompareTask& task_;
  const Context& context_;
  RunControl control_;
  std::int64_t done_ = 0, total_ = 0;
  DetectorOutcomes detected_;            // with full attention
  std::map<std::int64_t, TextRun> full_; // by length
};

std::vector<double> seconds_of(const MechanismResult& result) {
  std::vector<double> seconds;
  for (const MechanismResult::AtLength& at : result.lengths)
    seconds.push_back(at.seconds);
  return seconds;
}

// What is said of a mechanism beside the others: CAB's two figures.
void summarise(Comparison& comparison, const std::vector<std::int64_t>& lengths) {
  mechanisms::ComparedMetric nll, kl, seconds;
  for (MechanismResult& each : comparison.mechanisms) {
    each.efficiency_length = mechanisms::efficiency_length(lengths, seconds_of(comparison.full), seconds_of(each));
    nll.values.push_back(each.lengths.back().predictions.nll);
    kl.values.push_back(each.lengths.back().predictions.kl);
    seconds.values.push_back(each.lengths.back().seconds);
  }
  const std::vector<double> index = mechanisms::compositional_index({nll, kl, seconds});
  for (std::size_t i = 0; i < index.size(); ++i)
    comparison.mechanisms[i].index = index[i];
}

} // namespace

std::int64_t CompareTask::runs() const {
  const auto counted = std::ssize(lengths), rows = std::ssize(attention);
  const auto needles = needle.answer.empty() ? 0 : counted * std::ssize(needle.depths);
  return (counted + needles + (detectors.empty() ? 0 : 1)) * (rows + 1) + 1 + (heads ? rows : 0);
}

Status check_plans(const Engine& engine, const CompareTask& task) {
  for (const std::string& spec : task.attention)
    HS_TRY(plan_of(spec, engine.config()));
  return {};
}

Result<Comparison> run_comparison(const Engine& engine, const CompareTask& task, const Context& context) {
  Comparison comparison;
  comparison.tokens = std::ssize(task.ids);
  comparison.skip = task.skip;
  comparison.n_layers = engine.config().n_layers;
  comparison.n_heads = engine.config().n_heads;
  comparison.n_ctx = engine.config().n_ctx;
  std::vector<Plan> plans; // all are read before the first of them runs
  for (const std::string& spec : task.attention) {
    HS_ASSIGN(Plan plan, plan_of(spec, engine.config()));
    plans.push_back(std::move(plan));
  }
  Runner runner(engine, task, context);
  Status status = runner.run_bounds(comparison);
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
  if (status.ok()) summarise(comparison, task.lengths);
  return comparison;
}

} // namespace headscope::methods
