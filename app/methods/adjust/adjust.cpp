// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/adjust/adjust.h"

#include "app/methods/base/values.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

Status store_run(store::ResultWriter& writer, const Model& model, const std::vector<AdjustmentPrompt>& prompts,
                 const AdjustmentResult& result) {
  std::vector<std::string> ids;
  for (const AdjustmentPrompt& prompt : prompts) {
    ids.push_back("prompt-" + std::to_string(ids.size()));
    HS_TRY(writer.add_prompt(prompt_of(model, ids.back(), prompt.tokens, prompt.answers)));
  }
  return store_adjustment(writer, "/adjustment", ids, prompts, result);
}

// Turns a field of the adjustment's error into the option of the same name.
template <typename T> Result<T> at_option(Result<T> result) {
  if (result.ok()) return result;
  Error error = result.error();
  if (!error.field.empty() && error.field.rfind("--", 0) != 0) error.field = "--" + error.field;
  return error;
}

class Adjust : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "adjust",
        .summary = "Steer the attention of heads, or scale what they write, and see what a task gains by it",
        .example = "headscope adjust --model smollm2 --task colored_objects --steer 12.3,13.4=wrong --scale 19.1=0.5 "
                   "--out a.h5"};
    return info;
  }

  void inputs(OptionList& list) override { list_task_options(list, options_.task); }
  const TaskOptions* task() const override { return &options_.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.task); }

  void options(OptionList& list) override {
    AdjustmentOptions& adjustment = options_.adjustment;
    list.add("steer", options_.steer,
             "HEADS=TOKENS[@SHARE]: their attention goes to these tokens of each prompt, the same to each, or this "
             "share of it. TOKENS: wrong, answer, first, last; may be repeated");
    list.add("scale", options_.scale, "HEADS=FACTOR: what they write times this; may be repeated");
    list.add_choice("queries", options_.queries, {{"last", "the last token's"}, {"all", "that of every token"}},
                    "Whose attention is steered");
    list.add("seeds", adjustment.seeds, "Random heads of the same layers to compare with").at_least(0);
    list.add("seed", adjustment.seed, "Of these").at_least(0);
    list_tokens_per_run(list, adjustment.tokens_per_run);
  }

  Status check_inputs() override {
    if (options_.task.given()) return check_task(options_.task);
    return make_error(ErrorCode::invalid_argument, "there are no prompts; give --task, e.g. colored_objects", {},
                      "--task");
  }
  Status check_options() override {
    if (!options_.steer.empty() || !options_.scale.empty()) return {};
    return make_error(ErrorCode::invalid_argument, "adjusts no head; give steer (12.3=wrong) or scale (3.4=2)", {},
                      "--steer");
  }

  std::vector<std::int64_t> seeds() const override {
    return {static_cast<std::int64_t>(options_.task.seed), static_cast<std::int64_t>(options_.adjustment.seed)};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(const auto adjustments, at_option(parse_adjustments(options_.steer, options_.scale, model.config)));
    HS_ASSIGN(const TaskSet task, make_task(*model.tokenizer, options_.task.request()));
    note_dropped(dropped_lines(task), work.context);
    HS_ASSIGN(const auto prompts, at_option(adjustment_prompts(*model.tokenizer, task, adjustments)));
    HS_ASSIGN(const AdjustmentResult result,
              at_option(adjust_heads(work.engine, prompts, adjustments, adjustment_of(options_), work.context.control())));
    if (work.writer) HS_TRY(store_run(*work.writer, model, prompts, result));
    const std::string title = task.title() + ", " + std::to_string(result.n_prompts) + " prompts\n";
    return Report{to_json(result), title + adjustment_table(result), result.complete};
  }

  std::unique_ptr<Cells> cells() override { return make_adjust_cells(options_); }

private:
  AdjustOptions options_;
};

} // namespace

AdjustmentOptions adjustment_of(const AdjustOptions& options) {
  AdjustmentOptions adjustment = options.adjustment;
  adjustment.all_queries = options.queries == "all";
  return adjustment;
}

std::unique_ptr<Method> make_adjust() { return std::make_unique<Adjust>(); }

} // namespace headscope::methods
