// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/ablate/ablate.h"

#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "core/base/text_file.h"
#include "core/prompts/prompt_file.h"

namespace headscope::methods {
namespace {

// The effects of one prompt as [layer][head].
nlohmann::json effects_json(const HeadAblationResult& result, std::int64_t prompt) {
  const auto begin = result.effects.begin() + static_cast<std::ptrdiff_t>(result.index(prompt, 0, 0));
  const std::vector<double> effects(begin, begin + static_cast<std::ptrdiff_t>(result.n_layers * result.n_heads));
  return matrix(effects, static_cast<std::size_t>(result.n_layers), static_cast<std::size_t>(result.n_heads));
}

nlohmann::json to_json(const HeadAblationResult& result, const AblationTask& task) {
  const auto layers = static_cast<std::size_t>(result.n_layers), heads = static_cast<std::size_t>(result.n_heads);
  nlohmann::json out = {{"clean", number(result.clean[0])}, {"complete", result.complete}};
  if (!result.replaced.empty()) out["replaced"] = result.replaced;
  if (result.n_prompts == 1) {
    out["effects"] = effects_json(result, 0);
    return out;
  }
  nlohmann::json prompts = nlohmann::json::array();
  double clean = 0.0;
  for (std::int64_t i = 0; i < result.n_prompts; ++i) {
    prompts.push_back({{"id", task.ids[static_cast<std::size_t>(i)]},
                       {"clean", number(result.clean[static_cast<std::size_t>(i)])},
                       {"effects", effects_json(result, i)}});
    clean += result.clean[static_cast<std::size_t>(i)] / static_cast<double>(result.n_prompts);
  }
  out["clean"] = number(clean);
  out["effects"] = matrix(result.mean_effects(), layers, heads);
  out["prompts"] = std::move(prompts);
  return out;
}

std::string strongest(const HeadAblationResult& result, const std::string& metric) {
  const std::vector<double> effects = result.mean_effects();
  const std::vector<std::size_t> order = strongest_first(effects, Rank::by_size);
  std::vector<std::vector<std::string>> lines = {{"head", metric + " change"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(15, order.size()); ++i) {
    const auto at = static_cast<std::int64_t>(order[i]);
    lines.push_back(
        {head_name({static_cast<int>(at / result.n_heads), at % result.n_heads}), value_text(effects[order[i]])});
  }
  return metric + " with nothing ablated: " + value_text(mean_over(result.clean)) + "\n" + aligned(lines);
}

class Ablate : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "ablate",
        .summary = "Measure what ablating each head changes",
        .example = "headscope ablate --model smollm2 --prompt 'When Mary and John went to the store, John gave a drink "
                   "to' --answer ' Mary' --wrong ' John' --heads all --method zero"};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_set_options(list, options_.prompts); }
  const TaskOptions* task() const override { return &options_.prompts.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.prompts); }

  void options(OptionList& list) override { list_ablate_options(list, options_); }

  Status check_inputs() override { return check_prompt_set(options_.prompts); }
  Status check_options() override {
    if (!options_.reference_file.empty()) HS_TRY(check_readable(options_.reference_file));
    return check_joint_options(options_.joint);
  }

  std::vector<std::int64_t> seeds() const override {
    return {static_cast<std::int64_t>(options_.sweep.seed), static_cast<std::int64_t>(options_.prompts.task.seed)};
  }

  Result<Report> run(const Work& work) override {
    if (options_.joint.given()) return run_joint_ablation(options_, work);
    HS_ASSIGN(const HeadAblationOptions sweep, sweep_of(options_, work.engine));
    HS_ASSIGN(PromptSet set,
              make_prompt_set(work.engine, options_.prompts, needs_answers(sweep.metric), needs_wrong(sweep.metric)));
    note_dropped(set.dropped, work.context);
    const AblationTask task{std::move(set), to_string(sweep.method)};
    HS_TRY(warn_unspaced(work.engine, task.rows(), task.unspaced, work.context));
    HS_ASSIGN(const HeadAblationResult result, run_ablation(work.engine, task, sweep, work.context, work.writer));
    return Report{to_json(result, task), strongest(result, to_string(sweep.metric)), result.complete};
  }

  std::unique_ptr<Cells> cells() override { return make_ablate_cells(options_); }

private:
  AblateOptions options_;
};

} // namespace

void list_ablate_options(OptionList& list, AblateOptions& options) {
  list.add("heads", options.heads, "all, heads (18.6,17.3 or 18.0-3), layers (18 or 10-12)");
  list.add_choice("method", options.sweep.method, "What a head gives instead").key("ablation");
  list.add_choice("phase", options.sweep.phase, "When it is ablated");
  list.add_choice("metric", options.sweep.metric, "What is measured at the last token");
  list.add("reference", options.reference, "A prompt that mean and resample take activations from; may be repeated");
  list.add("reference_file", options.reference_file, "A file of such prompts: .csv, .jsonl, .json or .txt")
      .reads_file();
  list.add("mean_by_position", options.sweep.mean_by_position, "One mean for each position");
  list.add("seed", options.sweep.seed, "Of the choice of resampled prompts").at_least(0);
  list_tokens_per_run(list, options.sweep.tokens_per_run);
  list.add("prompts_per_cell", options.prompts_per_cell, "Prompts in a cell")
      .in("prompt")
      .at_least(1)
      .unrecorded()
      .only(Offered::experiment, "a command is not cut into cells");
  list_joint_options(list, options.joint);
}

Result<HeadAblationOptions> sweep_of(const AblateOptions& options, const Engine& engine) {
  HeadAblationOptions sweep = options.sweep;
  if (options.heads != "all") {
    HS_ASSIGN(sweep.heads, parse_heads(options.heads, engine.config().n_layers, engine.config().n_heads));
  }
  std::vector<std::string> prompts = options.reference;
  if (!options.reference_file.empty()) {
    HS_ASSIGN(const auto rows, read_prompt_file(options.reference_file));
    for (const PromptRow& row : rows)
      prompts.push_back(row.prompt);
  }
  for (const std::string& text : prompts) {
    if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--reference");
    HS_ASSIGN(const auto ids, encode_prompt(engine, text, options.prompts.prompt));
    sweep.reference.push_back(ids);
  }
  return sweep;
}

std::unique_ptr<Method> make_ablate() { return std::make_unique<Ablate>(); }

} // namespace headscope::methods
