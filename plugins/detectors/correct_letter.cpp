// SPDX-License-Identifier: GPL-3.0-or-later
// Correct-letter heads (Lieberum et al. 2307.09458): they attend to the label of the right option and write it.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/analysis/direct_logit_attribution.h"
#include "core/model/guard.h"
#include "core/prompts/choice_prompt.h"
#include "core/store/column_values.h"
#include "core/sweeps/sweep.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Direct effect of the head on the right letter's logit, less the mean of A to D, at the last token of a "
    "multiple-choice question, mean over the questions answered right";

struct Answered {
  std::vector<ChoicePrompt> right; // those that the model answers right
  std::vector<std::int64_t> said;  // index of the letter with the largest logit [prompt]
};

class CorrectLetterDetector : public Detector {
public:
  std::string id() const override { return "correct_letter"; }
  std::string title() const override { return "Correct-letter heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "Lieberum et al. 2023, arXiv 2307.09458"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.05, "heads with at least this share of the whole centred logit", {}, 0.0},
        {"min_attention", 0.1, "and at least this attention to the right label are named", {}, 0.0},
        {"min_accuracy", 0.5, "with fewer questions answered right there are no scores; chance is 0.25", {}, 0.0},
        {"questions", std::int64_t{16}, "number of questions", {}, 1},
        {"shots", std::int64_t{0}, "solved questions before each", {}, 0},
        {"category", std::string("fruit"), "which option is right", choice_categories()},
        {"seed", std::int64_t{0}, "of the questions", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read questions with", {}, id());
    const auto set = make_choices(*engine.model().tokenizer, {1, 0, "fruit", 0});
    if (!set.ok()) return make_error(ErrorCode::unsupported, set.error().message, {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding correct-letter heads", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const ChoiceSet set,
              make_choices(*run.engine.model().tokenizer,
                           {run.options.integer("questions"), run.options.integer("shots"),
                            run.options.text("category"), static_cast<std::uint64_t>(run.options.integer("seed"))}));
    HS_ASSIGN(const Answered answered, answer(run, set));
    const double accuracy = static_cast<double>(answered.right.size()) / static_cast<double>(set.prompts.size());
    DetectorResult result = empty_result(run.engine);
    result.description = summary;
    result.units = "logit";
    result.threshold = run.options.number("threshold");
    result.findings = {{"questions", static_cast<std::int64_t>(set.prompts.size())},
                       {"answered_right", static_cast<std::int64_t>(answered.right.size())},
                       {"accuracy", accuracy}};
    add_evidence(set, answered, run.engine, result);
    if (answered.right.empty() || accuracy < run.options.number("min_accuracy")) {
      result.message = "the model answers " + std::to_string(answered.right.size()) + " of " +
                       std::to_string(set.prompts.size()) +
                       " questions right (a quarter is chance); there are no scores";
      return result;
    }
    HS_TRY(score(run, set, answered, result));
    return result;
  }

  static Result<Answered> answer(const DetectorRun& run, const ChoiceSet& set) {
    TokenRows rows;
    for (const ChoicePrompt& prompt : set.prompts)
      rows.push_back(prompt.ids);
    HS_TRY(check_rows(rows, run.engine, "question"));
    HS_ASSIGN(const at::Tensor logits, last_logits(run.engine, rows, run.control.cancel));
    const at::Tensor letters = at::tensor(std::vector<std::int64_t>(set.letters.begin(), set.letters.end()), at::kLong);
    const at::Tensor best = logits.index_select(1, letters.to(logits.device())).argmax(1).cpu();
    Answered out;
    for (std::size_t i = 0; i < set.prompts.size(); ++i) {
      out.said.push_back(best[static_cast<std::int64_t>(i)].item<std::int64_t>());
      if (out.said.back() == static_cast<std::int64_t>(set.prompts[i].right)) out.right.push_back(set.prompts[i]);
    }
    return out;
  }

  static Status score(const DetectorRun& run, const ChoiceSet& set, const Answered& answered, DetectorResult& result) {
    std::vector<AttributionPrompt> prompts;
    TokenRows rows;
    std::vector<std::int64_t> labels;
    for (const ChoicePrompt& prompt : answered.right) {
      prompts.push_back(
          {prompt.ids, {{set.letters[prompt.right]}, {set.letters.begin(), set.letters.end()}}}); // centred
      rows.push_back(prompt.ids);
      labels.push_back(prompt.label_positions[prompt.right]);
    }
    HS_ASSIGN(const DirectLogitAttribution effects, attribute_logits(run.engine, prompts, run.control));
    HS_ASSIGN(const std::vector<double> attention, attention_from_last(run.engine, rows, labels, run.control.cancel));
    const double total = mean_over_first_axis(effects.total, effects.n_prompts, 1).front();
    result.scores = as_floats(effects.mean_heads());
    result.threshold = run.options.number("threshold") * total;
    result.maps = {{"attention", "mean attention from the last token to the right label", "1", as_floats(attention)}};
    result.findings.push_back({"centred_logit", total});
    name_heads_where(result,
                     {{"attention", run.options.number("min_attention"), [&](std::size_t i) { return attention[i]; }}});
    return {};
  }

  void add_evidence(const ChoiceSet& set, const Answered& answered, const Engine& engine,
                    DetectorResult& result) const {
    struct Row {
      std::int64_t question = 0;
      std::string right, said;
      std::int64_t label_position = 0;
    };
    std::vector<Row> rows;
    const auto letter = [](std::size_t i) { return std::string(1, static_cast<char>('A' + i)); };
    for (std::size_t i = 0; i < set.prompts.size(); ++i) {
      const ChoicePrompt& prompt = set.prompts[i];
      result.prompts.push_back(prompt_evidence(engine, id() + "-" + std::to_string(i), prompt.ids));
      rows.push_back({.question = static_cast<std::int64_t>(i),
                      .right = letter(prompt.right),
                      .said = letter(static_cast<std::size_t>(answered.said[i])),
                      .label_position = prompt.label_positions[prompt.right]});
    }
    const auto column = [&](auto member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {{"question", column(&Row::question), "1", "the prompt is correct_letter-N"},
                     {"right", column(&Row::right), "", "letter of the right option"},
                     {"said", column(&Row::said), "", "letter with the largest logit"},
                     {"label_position", column(&Row::label_position), "token", "of the right option's label"}};
    result.tables.push_back({"questions", std::move(table)});
  }
};

} // namespace

std::unique_ptr<Detector> make_correct_letter_detector() { return std::make_unique<CorrectLetterDetector>(); }

} // namespace headscope
