// SPDX-License-Identifier: GPL-3.0-or-later
// The method `survey`: runs detectors, ablates every head on indirect-object prompts, and stores the attention maps of
// the strongest heads, all in one file.
#include "app/methods/survey/survey.h"

#include <algorithm>
#include <cmath>

#include "app/methods/ablate/ablate_run.h"
#include "app/methods/attention/attention_run.h"
#include "app/methods/base/values.h"
#include "app/methods/detect/detect_run.h"
#include "app/methods/inputs/model_options.h"
#include "core/base/plain_text.h"
#include "core/prompts/tasks/ioi.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

struct SurveyOptions {
  // The detectors that are run: they take minutes on a small model; all would take twice as long.
  DetectOptions detect{{"induction", "previous", "duplicate", "sink", "successor", "retrieval"}, {}, {}};
  std::int64_t ioi = 8, maps = 12;
  std::uint64_t seed = 0;
};

Result<AblationTask> ioi_prompts(const SurveyOptions& options, const Model& model, std::string& example) {
  IoiOptions ioi;
  ioi.count = options.ioi;
  ioi.seed = options.seed;
  HS_ASSIGN(const IoiTask made, make_ioi_task(*model.tokenizer, ioi));
  AblationTask task;
  task.name = "ioi_zero";
  task.prompts = ablation_prompts(made);
  for (std::size_t i = 0; i < task.prompts.size(); ++i)
    task.ids.push_back("ioi-" + std::to_string(i));
  example = made.cases.front().clean;
  return task;
}

HeadId head_at(std::size_t index, std::int64_t n_heads) {
  const auto at = static_cast<std::int64_t>(index);
  return {static_cast<int>(at / n_heads), at % n_heads};
}

// Takes the strongest head of each detector in turn, then of the ablation, until there are enough.
std::vector<HeadId> heads_to_draw(const DetectorOutcomes& outcomes, const HeadAblationResult& ablation,
                                  std::size_t most) {
  std::vector<std::vector<std::size_t>> orders;
  for (const DetectorOutcome& outcome : outcomes.list) {
    if (!outcome.result) continue;
    std::vector<double> scores(outcome.result->scores.begin(), outcome.result->scores.end());
    for (double& score : scores)
      if (!(score > 0.0)) score = std::nan("");
    for (const DetectorResult::Unnamed& each : outcome.result->unnamed)
      scores[outcome.result->index(each.head.layer, each.head.head)] = std::nan("");
    orders.push_back(strongest_first(scores, Rank::by_size));
  }
  orders.push_back(strongest_first(ablation.mean_effects(), Rank::by_size));
  std::vector<HeadId> heads;
  for (std::size_t rank = 0; rank < 3 * most && heads.size() < most; ++rank)
    for (const auto& order : orders) {
      if (rank >= order.size() || heads.size() >= most) continue;
      const HeadId head = head_at(order[rank], ablation.n_heads);
      if (std::find(heads.begin(), heads.end(), head) == heads.end()) heads.push_back(head);
    }
  return heads;
}

std::string strongest_effects(const HeadAblationResult& ablation, std::size_t most) {
  const std::vector<double> effects = ablation.mean_effects();
  const std::vector<std::size_t> order = strongest_first(effects, Rank::by_size);
  std::string text;
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i)
    text += (i ? "  " : "") + head_name(head_at(order[i], ablation.n_heads)) + " " + fixed(effects[order[i]], 3);
  return text;
}

struct Survey {
  DetectorOutcomes detectors;
  std::optional<HeadAblationResult> ablation;
  std::size_t prompts = 0;
};

// Returns false when cancelled; survey and file then have what was done.
Result<bool> measure(const SurveyOptions& options, const std::vector<DetectorPlan>& plan, const Work& work,
                     Survey& survey) {
  const Engine& engine = work.engine;
  const Context& context = work.context;
  std::string example;
  HS_ASSIGN(const AblationTask task, ioi_prompts(options, engine.model(), example));
  survey.prompts = task.prompts.size();
  HS_ASSIGN(survey.detectors, run_detectors(plan, engine, options.detect.haystack, context, work.writer));
  if (!survey.detectors.complete) return false;
  HS_ASSIGN(survey.ablation, run_ablation(engine, task, {}, context, work.writer));
  if (!survey.ablation->complete) return false;
  AttentionRequest maps;
  maps.prompt_id = "maps";
  maps.heads = heads_to_draw(survey.detectors, *survey.ablation, static_cast<std::size_t>(options.maps));
  HS_ASSIGN(maps.ids, encode_prompt(engine, example + " " + example, {}));
  HS_ASSIGN(const StoredMaps stored, run_attention(engine, maps, context, *work.writer));
  return stored.complete;
}

nlohmann::json to_json(const Survey& survey, const std::string& file, bool complete) {
  nlohmann::json json = to_json(survey.detectors);
  json["file"] = file;
  json["complete"] = complete;
  json["ablation"] = nullptr;
  if (survey.ablation)
    json["ablation"] = {
        {"clean", number(mean_over(survey.ablation->clean))},
        {"effects", matrix(survey.ablation->mean_effects(), static_cast<std::size_t>(survey.ablation->n_layers),
                           static_cast<std::size_t>(survey.ablation->n_heads))}};
  return json;
}

std::string text_of(const Survey& survey, const std::string& model) {
  std::string text = "Strongest heads of ";
  text.append(plain_text(model)).append("\n").append(strongest_heads(survey.detectors, 6));
  if (survey.ablation)
    text +=
        printed("Zero-ablation on %zu indirect-object prompts (logit difference %s): %s\n", survey.prompts,
                fixed(mean_over(survey.ablation->clean), 3).c_str(), strongest_effects(*survey.ablation, 6).c_str());
  return text;
}

class SurveyMethod : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "survey",
        .summary = "Detect heads, ablate each on indirect-object prompts and store attention maps, in one file",
        .example = "headscope survey --model smollm2 --out survey.h5",
        .output = Output::required};
    return info;
  }

  void options(OptionList& list) override {
    list_detect_options(list, options_.detect);
    list.add("ioi", options_.ioi, "Indirect-object prompts").in("prompt").at_least(1);
    list.add("maps", options_.maps, "Attention maps of this many heads").in("head").at_least(1);
    list.add("seed", options_.seed, "Of the prompts").at_least(0);
  }

  Status check_options() override {
    HS_TRY(check_haystack(options_.detect.haystack));
    HS_ASSIGN(plan_, plan_detectors(options_.detect));
    return {};
  }

  std::vector<std::int64_t> seeds() const override {
    std::vector<std::int64_t> seeds = seeds_of(plan_);
    seeds.push_back(static_cast<std::int64_t>(options_.seed));
    return seeds;
  }

  Result<Report> run(const Work& work) override {
    if (!work.writer) return make_error(ErrorCode::invalid_argument, "names no file", {}, "--out");
    note_refused_plugins(work.context);
    Context context = work.context;
    context.steps = static_cast<int>(plan_.size()) + 2; // the ablation and the maps
    Survey survey;
    HS_ASSIGN(const bool complete, measure(options_, plan_, {work.engine, work.writer, context, work.file}, survey));
    Report report{to_json(survey, work.file, complete), text_of(survey, work.engine.model().identity.name), complete};
    report.failed = survey.detectors.failed;
    report.refused = survey.detectors.refused;
    return report;
  }

private:
  SurveyOptions options_;
  std::vector<DetectorPlan> plan_; // of these options, once they are checked
};

} // namespace

std::unique_ptr<Method> make_survey() { return std::make_unique<SurveyMethod>(); }

} // namespace headscope::methods
