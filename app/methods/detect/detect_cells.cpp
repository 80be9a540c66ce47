// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of `detect`: a cell is one detector. Those that do not fit the model are skipped, with the reason in the
// file.
#include "app/methods/detect/detect.h"
#include "app/methods/detect/detect_payload.h"
#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

class DetectCells : public Cells {
public:
  explicit DetectCells(const DetectOptions& options) : options_(options) {}

  bool needs_task() const override { return false; }
  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    model_ = input.model;
    HS_ASSIGN(plan_, plan_detectors(options_));
    return {};
  }
  std::int64_t count() const override { return static_cast<std::int64_t>(plan_.size()); }

  Result<std::vector<std::string>> file_hashes() const override { return methods::file_hashes(plan_); }

  // Detectors do not say beforehand what they will run; each is counted as ten passes of 1,000 tokens.
  Cost cost() const override {
    const auto n = static_cast<double>(plan_.size());
    return {10.0 * n, 10000.0 * n, 4096.0};
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    const DetectorPlan& entry = plan_[static_cast<std::size_t>(cell)];
    if (const Status fits = entry.detector->check(*engine_); !fits.ok())
      return nlohmann::json{{"skipped", fits.error().message}};
    const auto found = entry.detector->run({*engine_, entry.options, options_.haystack, context.control()});
    if (!found.ok() && plan_.size() > 1 && defaults_do_not_fit(entry, found.error()))
      return nlohmann::json{{"skipped", found.error().to_string()}};
    if (!found.ok()) return found.error();
    if (!found->complete) return make_error(ErrorCode::cancelled, "interrupted");
    return to_payload(*found);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    for (const auto& [cell, result] : done) {
      const DetectorPlan& entry = plan_[static_cast<std::size_t>(cell)];
      const std::string name = entry.detector->id() + (model_.empty() ? "" : "-" + model_);
      if (result.contains("skipped"))
        HS_TRY(writer.set_options(name, {{"skipped", result.at("skipped").get<std::string>()}}));
      else
        HS_TRY(write_detector(writer, *entry.detector, entry.options, options_.haystack, detector_from_payload(result),
                              name));
    }
    return {};
  }

private:
  const DetectOptions& options_;
  std::vector<DetectorPlan> plan_;
  const Engine* engine_ = nullptr;
  std::string model_;
};

} // namespace

std::unique_ptr<Cells> make_detect_cells(const DetectOptions& options) {
  return std::make_unique<DetectCells>(options);
}

} // namespace headscope::methods
