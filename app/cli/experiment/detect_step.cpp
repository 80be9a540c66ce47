// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors: a cell is one detector. Those that do not fit the model are skipped, with the reason in the file.
#include "app/cli/detect_run.h"
#include "app/cli/experiment/payload.h"
#include "app/cli/experiment/step.h"

namespace headscope::cli {
namespace {

class DetectStep : public Step {
public:
  std::vector<DetectorPlan> plan;
  std::string haystack;

  bool needs_task() const override { return false; }
  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    return {};
  }
  std::int64_t cells() const override { return static_cast<std::int64_t>(plan.size()); }

  // Detectors do not say beforehand what they will run: as ten passes of 1,000 tokens.
  StepCost cost() const override {
    const auto n = static_cast<double>(plan.size());
    return {10.0 * n, 10000.0 * n, 4096.0};
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Console& console) const override {
    const DetectorPlan& entry = plan[static_cast<std::size_t>(cell)];
    if (const Status fits = entry.detector->check(*engine_); !fits.ok())
      return nlohmann::json{{"skipped", fits.error().message}};
    const auto found = entry.detector->run({*engine_, entry.options, haystack, console.task()});
    if (!found.ok() && plan.size() > 1 && defaults_do_not_fit(entry, found.error()))
      return nlohmann::json{{"skipped", found.error().to_string()}};
    if (!found.ok()) return found.error();
    if (!found->complete) return make_error(ErrorCode::cancelled, "interrupted");
    return to_payload(*found);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    for (const auto& [cell, result] : done) {
      const DetectorPlan& entry = plan[static_cast<std::size_t>(cell)];
      if (result.contains("skipped"))
        HS_TRY(writer.set_options(entry.detector->id(), {{"skipped", result.at("skipped").get<std::string>()}}));
      else
        HS_TRY(write_detector(writer, *entry.detector, entry.options, haystack, detector_from_payload(result)));
    }
    return {};
  }

private:
  const Engine* engine_ = nullptr;
};

} // namespace

Result<std::unique_ptr<Step>> read_detect_step(TomlTable& table) {
  auto step = std::make_unique<DetectStep>();
  std::vector<std::string> names = {"all"};
  DetectOptions options;
  table.read("detectors", names);
  table.read("set", options.set);
  table.read("haystack", options.haystack);
  options.detectors.clear();
  for (const std::string& each : names)
    options.detectors += (options.detectors.empty() ? "" : ",") + each;
  step->haystack = options.haystack;
  Console quiet;
  quiet.quiet = true;
  auto plan = plan_detectors(options, quiet);
  if (plan.ok())
    step->plan = std::move(*plan);
  else
    table.fail(table.error_at(plan.error().field == "--detectors" ? "detectors" : "set", plan.error().code,
                              plan.error().message));
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
