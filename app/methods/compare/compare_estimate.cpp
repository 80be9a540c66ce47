// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/compare/compare_estimate.h"

#include <algorithm>

#include "app/methods/base/values.h"

namespace headscope::methods {
namespace {

constexpr std::int64_t longest_trial = 1024;

// Seconds of a text: a T + b T².
struct TimeByLength {
  double linear = 0.0, square = 0.0;
  double at(std::int64_t tokens) const {
    const auto t = static_cast<double>(tokens);
    return linear * t + square * t * t;
  }
};

Result<TimeByLength> measure(const Engine& engine, const CompareTask& task, const RunControl& control) {
  const std::int64_t longer = std::min(task.lengths.back(), longest_trial),
                     shorter = std::max<std::int64_t>(2, longer / 2);
  const auto seconds = [&](std::int64_t tokens) -> Result<double> {
    double least = 0.0;
    for (int time = 0; time < 2; ++time) { // the first also warms up
      const std::vector<std::int64_t> ids(task.ids.begin(), task.ids.begin() + tokens);
      HS_ASSIGN(const mechanisms::TextRun run, mechanisms::run_text(engine, ids, nullptr, control));
      least = time == 0 ? run.seconds : std::min(least, run.seconds);
    }
    return least;
  };
  HS_ASSIGN(const double low, seconds(shorter));
  HS_ASSIGN(const double high, seconds(longer));
  const auto a = static_cast<double>(shorter), b = static_cast<double>(longer);
  TimeByLength time;
  if (b > a) time.square = std::max(0.0, (high / b - low / a) / (b - a));
  time.linear = std::max(0.0, high / b - time.square * b);
  return time;
}

} // namespace

Result<Report> estimate_comparison(const Engine& engine, const CompareTask& task, const Context& context) {
  HS_TRY(check_plans(engine, task));
  auto measured = measure(engine, task, context.control());
  context.finish_progress();
  HS_ASSIGN(const TimeByLength time, std::move(measured));
  const auto rows = static_cast<double>(std::ssize(task.attention) + 1);
  const auto needles = static_cast<double>(task.needle.answer.empty() ? 0 : std::ssize(task.needle.depths));
  double seconds = time.at(task.lengths.back()) * (1.0 + (task.heads ? rows - 1.0 : 0.0));
  for (const std::int64_t tokens : task.lengths)
    seconds += rows * (1.0 + needles) * time.at(tokens);
  const ModelConfig& config = engine.config();
  // A residual a length is kept of full attention, and q, k, v of a layer while it runs.
  double bytes = 0.0;
  for (const std::int64_t tokens : task.lengths)
    bytes += 4.0 * static_cast<double>(tokens * config.d_model);
  bytes += 4.0 * static_cast<double>(task.lengths.back() * (config.n_heads + 2 * config.n_kv_heads) * config.d_head);
  Report report;
  report.json = {{"runs", task.runs()},
                 {"seconds", number(seconds)},
                 {"bytes", number(bytes)},
                 {"detectors", std::ssize(task.detectors)},
                 {"dry_run", true}};
  report.text = std::to_string(task.runs()) + " runs, about " + fixed(seconds, 1) + " s and " + fixed(bytes / 1e6, 0) +
                " MB beside the model, if every mechanism costs what full attention does" +
                (task.detectors.empty() ? "" : "; what the detectors take is not in it") + "\n";
  return report;
}

} // namespace headscope::methods
