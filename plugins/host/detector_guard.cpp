// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/detector_guard.h"

#include <set>

#include "core/store/part_name.h"
#include "plugins/host/manifest.h"
#include "plugins/host/walled.h"

namespace headscope::plugin {
namespace {

Status check_id(const std::string& id, const std::string& module) {
  if (is_id(id)) return {};
  return make_error(ErrorCode::unsupported,
                    "has an object of the id '" + id + "'; an id is of lower-case letters, digits, - and _", module);
}

class GuardedDetector : public Detector {
public:
  GuardedDetector(std::unique_ptr<Detector> inner, std::string module)
      : id_(inner->id()), title_(inner->title()), description_(inner->description()), reference_(inner->reference()),
        options_(inner->options()), module_(std::move(module)), inner_(std::move(inner)) {}

  std::string id() const override { return id_; }
  std::string title() const override { return title_; }
  std::string description() const override { return description_; }
  std::string reference() const override { return reference_; }
  std::vector<OptionSpec> options() const override { return options_; }

  Status check(const Engine& engine) const override {
    return walled(id_ + " (" + module_ + "): check", [&] { return inner_->check(engine); });
  }

  Status check_options(const OptionSet& options) const override {
    return walled(id_ + " (" + module_ + "): check_options", [&] { return inner_->check_options(options); });
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    auto result = walled(id_ + " (" + module_ + "): run", [&] { return inner_->run(run); });
    if (!result.ok()) return result;
    HS_TRY(check_shape(*result, run.engine.config()));
    HS_TRY(check_names(*result));
    return result;
  }

private:
  Status check_shape(const DetectorResult& result, const ModelConfig& config) const {
    const auto wanted = static_cast<std::size_t>(config.n_layers * config.n_heads);
    bool fits =
        result.n_layers == config.n_layers && result.n_heads == config.n_heads && result.scores.size() == wanted;
    for (const ScoreMap& map : result.maps)
      fits = fits && map.values.size() == wanted;
    for (const HeadId& head : result.heads)
      fits = fits && head.layer >= 0 && head.layer < config.n_layers && head.head >= 0 && head.head < config.n_heads;
    if (fits) return {};
    return make_error(ErrorCode::mismatch,
                      "the result of " + id_ + " does not fit the model's " + std::to_string(config.n_layers) + " x " +
                          std::to_string(config.n_heads) + " heads",
                      module_);
  }

  // Checks everything that becomes a name in the result file.
  Status check_names(const DetectorResult& result) const {
    Names prompts, maps_and_tables, findings;
    for (const store::Prompt& prompt : result.prompts)
      HS_TRY(prompts.take("a prompt", prompt.id, *this));
    for (const ScoreMap& map : result.maps)
      HS_TRY(maps_and_tables.take("a score map", map.name, *this));
    for (const DetectorResult::NamedTable& table : result.tables) {
      HS_TRY(maps_and_tables.take("a table", table.name, *this));
      Names columns;
      for (const store::Column& column : table.table.columns)
        HS_TRY(columns.take("a column of " + table.name, column.name, *this));
    }
    for (const store::Attribute& finding : result.findings)
      HS_TRY(findings.take("a finding", finding.name, *this));
    return {};
  }

  class Names {
  public:
    Status take(const std::string& what, const std::string& name, const GuardedDetector& detector) {
      std::string why;
      if (const Status status = store::check_part_name(name); !status.ok()) why = status.error().message;
      if (why.empty() && !taken_.insert(name).second) why = "there are two of that name";
      if (why.empty()) return {};
      return make_error(ErrorCode::mismatch,
                        "the result of " + detector.id_ + " has " + what + " called '" + name + "': " + why,
                        detector.module_);
    }

  private:
    std::set<std::string> taken_;
  };

  std::string id_, title_, description_, reference_;
  std::vector<OptionSpec> options_;
  std::string module_;
  std::unique_ptr<Detector> inner_;
};

} // namespace

Result<std::shared_ptr<const Detector>> guard(std::unique_ptr<Detector> detector, const std::string& module) {
  return walled(module + ": asking a detector for its name", [&]() -> Result<std::shared_ptr<const Detector>> {
    auto guarded_one = std::make_shared<const GuardedDetector>(std::move(detector), module);
    HS_TRY(check_id(guarded_one->id(), module));
    return std::shared_ptr<const Detector>(guarded_one);
  });
}

} // namespace headscope::plugin
