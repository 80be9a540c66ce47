// SPDX-License-Identifier: GPL-3.0-or-later
// Head importance: how much worse a model's predictions get when one head always writes its mean.
#include <algorithm>

#include "core/model/guard.h"
#include "core/store/column_values.h"
#include "core/sweeps/head_ablation.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "How far the prediction of the next token moves when the head's output is replaced by its mean over the texts: "
    "KL divergence from the unchanged model";

class HeadImportanceDetector : public Detector {
public:
  std::string id() const override { return "head_importance"; }
  std::string title() const override { return "Important heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override {
    return "Michel et al. 2019, arXiv 1905.10650; mean ablation as in 2211.00593";
  }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.05, "heads with at least this divergence, in nats, are named", {}, 0.0},
        {"texts", std::int64_t{4}, "number of texts", {}, 1},
        {"tokens", std::int64_t{24}, "tokens in a text", {}, 2},
        {"by_position", false, "one mean a position, over texts, instead of one over positions and texts"},
        {"seed", std::int64_t{0}, "of the generated text", {}, 0},
        text_option(),
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read text with", {}, id());
    return {};
  }

  Status check_options(const OptionSet& options) const override { return check_own_text(options, id()); }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("measuring head importance", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const auto rows, text_rows(run, run.options.integer("texts"), run.options.integer("tokens"),
                                         static_cast<std::uint64_t>(run.options.integer("seed"))));
    HS_ASSIGN(const store::Attributes text, text_findings(run));
    std::vector<AblationPrompt> prompts;
    for (const auto& row : rows)
      prompts.push_back({row, {}});
    HeadAblationOptions options;
    options.method = AblationMethod::mean;
    options.metric = MetricKind::kl_divergence;
    options.mean_by_position = run.options.flag("by_position");
    HS_ASSIGN(const HeadAblationResult ablated, ablate_heads(run.engine, prompts, options, run.control));
    DetectorResult result = empty_result(run.engine);
    result.description = summary;
    result.units = std::string("nat");
    result.threshold = run.options.number("threshold");
    result.scores = as_floats(ablated.mean_effects());
    result.complete = ablated.complete;
    result.findings = {{"texts", static_cast<std::int64_t>(rows.size())},
                       {"tokens", static_cast<std::int64_t>(rows.front().size())}};
    result.findings.insert(result.findings.end(), text.begin(), text.end());
    if (static_cast<std::int64_t>(rows.size()) < run.options.integer("texts"))
      result.message = text_source(run).path + " holds only " + std::to_string(rows.size()) + " texts";
    name_heads(result);
    for (std::size_t i = 0; i < rows.size(); ++i)
      result.prompts.push_back(prompt_evidence(run.engine, id() + "-" + std::to_string(i), rows[i]));
    add_effects(ablated, result);
    return result;
  }

  static void add_effects(const HeadAblationResult& ablated, DetectorResult& result) {
    struct Row {
      std::int64_t layer = 0, head = 0, text = 0;
      double effect = 0.0;
    };
    std::vector<Row> rows;
    for (const HeadId& named : result.heads)
      for (std::int64_t i = 0; i < ablated.n_prompts; ++i)
        rows.push_back({.layer = named.layer,
                        .head = named.head,
                        .text = i,
                        .effect = ablated.effect(i, named.layer, named.head)});
    const auto column = [&](auto member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {{"layer", column(&Row::layer), "1", "layer"},
                     {"head", column(&Row::head), "1", "head"},
                     {"text", column(&Row::text), "1", "the prompt is head_importance-N; measured at its last token"},
                     {"effect", column(&Row::effect), "nat", "KL divergence from the unchanged model"}};
    result.tables.push_back({"effects", std::move(table)});
  }
};

} // namespace

std::unique_ptr<Detector> make_head_importance_detector() { return std::make_unique<HeadImportanceDetector>(); }

} // namespace headscope
