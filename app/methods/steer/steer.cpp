// SPDX-License-Identifier: GPL-3.0-or-later
// The method `steer`: steers activations along a vector, and measures the effect on prompts and on generated text.
#include <algorithm>
#include <cmath>

#include "app/methods/base/method.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "app/methods/steer/steer_report.h"
#include "app/methods/steer/steer_vector.h"
#include "core/engine/generate.h"

namespace headscope::methods {
namespace {

const char* const automatic = "automatic";

std::vector<Choice> metric_choices() {
  std::vector<Choice> choices = {{automatic, "logit_diff where all prompts have both answers, else kl_divergence"}};
  for (const Named<MetricKind>& each : names_of<MetricKind>())
    choices.push_back({each.name, each.what});
  return choices;
}

bool has_both_answers(const AblationPrompt& prompt) {
  return !prompt.answers.answer.empty() && !prompt.answers.wrong.empty();
}

// Turns a field of the steering's error into the option of the same name.
template <typename T> Result<T> at_option(Result<T> result) {
  if (result.ok()) return result;
  Error error = result.error();
  for (const char* name : {"positions", "coefficient", "site", "heads", "layers"})
    if (error.field == name) error.field.insert(0, "--");
  return error;
}

class Steer : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "steer",
        .summary = "Steer activations along a vector, and see what a metric and the text do",
        .example = "headscope steer --model smollm2 --prompt 'I think that you are' --positive 'I love this' "
                   "--negative 'I hate this' --layers 12 --coefficient 2,4,8 --generate 20",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_set_options(list, prompts_); }
  store::Attributes recorded_inputs() const override { return option_attributes(prompts_); }

  void options(OptionList& list) override {
    list_vector_options(list, vector_);
    list.add_choice("operation", operation_, "What is done with the vector").from("0.2");
    list.add("coefficient", measured_.coefficients, "How strongly; several are measured one after the other")
        .from("0.2")
        .by_comma();
    list.add("positions", positions_,
             "Which tokens: all, last (of the prompt), prompt, generated, or positions of the prompt as 0,3; negative "
             "ones count from its end")
        .from("0.2");
    list.add_choice("phase", phase_, "When they are steered").from("0.2");
    list.add_choice("metric", metric_, metric_choices(), "What is measured after each prompt").from("0.2");
    list.add("generate", generate_, "Also continue each prompt by so many tokens, greedily, without and with")
        .in("token")
        .from("0.2")
        .at_least(0);
    list_tokens_per_run(list, measured_.tokens_per_run).from("0.2");
  }

  Status check_inputs() override { return check_prompt_set(prompts_); }
  Status check_options() override {
    HS_ASSIGN(const SteeredPositions positions, at_option(SteeredPositions::parse(positions_)));
    if (positions.kind == SteeredPositions::Kind::generated && generate_ == 0)
      return make_error(ErrorCode::invalid_argument, "nothing is generated that could be steered; give --generate", {},
                        "--positions");
    if (measured_.coefficients.empty())
      return make_error(ErrorCode::invalid_argument, "needs a number", {}, "--coefficient");
    for (const double coefficient : measured_.coefficients)
      if (!std::isfinite(coefficient))
        return make_error(ErrorCode::invalid_argument, "must be finite", {}, "--coefficient");
    return check_vector_options(vector_, needs_vector());
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(prompts_.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    SteerOutcome found;
    HS_TRY(set_prompts(work.engine, found));
    note_dropped(found.prompts.dropped, work.context);
    HS_TRY(warn_unspaced(work.engine, found.prompts.rows(), found.prompts.unspaced, work.context));
    HS_TRY(check_lengths(work.engine, found));
    HS_ASSIGN(found.steering.targets, steering_targets(work.engine, vector_, prompts_.prompt, needs_vector(),
                                                       measured_.tokens_per_run, work.context));
    if (!vector_.save.empty()) HS_TRY(save_vectors(vector_.save, found.steering.targets, model.config.n_layers));
    HS_ASSIGN(found.result, at_option(steer_prompts(work.engine, found.prompts.prompts, found.steering, found.options,
                                                    work.context.control())));
    work.context.finish_progress();
    found.complete = found.result.complete;
    if (found.complete && generate_ > 0) HS_TRY(write_texts(work, found));
    if (work.writer) HS_TRY(store_steering(*work.writer, model, found, work.context));
    return steer_report(model, found);
  }

private:
  bool needs_vector() const { return operation_ != SteeringOperation::scale; }

  // Sets the prompts, and everything known of the steering before its vectors are made.
  Status set_prompts(const Engine& engine, SteerOutcome& found) const {
    found.options = measured_;
    const bool chosen = metric_ != automatic;
    if (chosen) {
      HS_ASSIGN(found.options.metric, parse_name<MetricKind>(metric_, "--metric"));
    }
    const MetricKind metric = found.options.metric;
    HS_ASSIGN(found.prompts,
              make_prompt_set(engine, prompts_, chosen && needs_answers(metric), chosen && needs_wrong(metric)));
    const auto& prompts = found.prompts.prompts;
    if (!chosen && !std::all_of(prompts.begin(), prompts.end(), has_both_answers))
      found.options.metric = MetricKind::kl_divergence;
    found.steering.operation = operation_;
    found.steering.phase = phase_;
    HS_ASSIGN(found.steering.positions, at_option(SteeredPositions::parse(positions_)));
    return {};
  }

  // Checks, before anything takes time, that positions and new tokens fit all prompts.
  Status check_lengths(const Engine& engine, const SteerOutcome& found) const {
    for (const AblationPrompt& prompt : found.prompts.prompts) {
      const Status room = check_room(engine, prompt.tokens, generate_);
      if (!room.ok()) return make_error(room.error().code, room.error().message, {}, "--generate");
      const std::int64_t length = std::ssize(prompt.tokens);
      HS_TRY(at_option(steered_slots(found.steering, length, length)));
    }
    return {};
  }

  Result<std::vector<std::int64_t>> continued(const Engine& engine, const std::vector<std::int64_t>& prompt,
                                              std::vector<Intervention> changes, const Context& context) const {
    GenerateOptions how;
    how.max_new_tokens = generate_;
    how.interventions = std::move(changes);
    how.control.cancel = context.cancel;
    HS_ASSIGN(Generation generation, generate(engine, prompt, how));
    return std::move(generation.tokens);
  }

  Result<SteeredText> text_of(const Work& work, const SteerOutcome& found, std::size_t index) const {
    const std::vector<std::int64_t>& prompt = found.prompts.prompts[index].tokens;
    const std::int64_t length = std::ssize(prompt);
    SteeredText text{found.prompts.ids[index], {}, {}};
    HS_ASSIGN(text.clean, continued(work.engine, prompt, {}, work.context));
    for (const double coefficient : found.options.coefficients) {
      HS_ASSIGN(auto changes, steering_interventions(found.steering, coefficient, length, length + generate_));
      HS_ASSIGN(text.steered.emplace_back(), continued(work.engine, prompt, std::move(changes), work.context));
    }
    return text;
  }

  Status write_texts(const Work& work, SteerOutcome& found) const {
    const RunControl control = work.context.control();
    for (std::size_t i = 0; i < found.prompts.prompts.size(); ++i) {
      auto text = text_of(work, found, i);
      found.complete = text.ok() || text.error().code != ErrorCode::cancelled;
      if (!found.complete) break;
      if (!text.ok()) return text.error();
      found.texts.push_back(std::move(*text));
      control.report("continuing prompts", static_cast<std::int64_t>(i) + 1, std::ssize(found.prompts.prompts));
    }
    work.context.finish_progress();
    return {};
  }

  PromptSetOptions prompts_;
  SteerVectorOptions vector_;
  SteeringOperation operation_ = SteeringOperation::add;
  SteeringOptions measured_;
  std::string positions_ = "all", metric_ = automatic;
  Phase phase_ = Phase::both;
  std::int64_t generate_ = 0;
};

} // namespace

std::unique_ptr<Method> make_steer() { return std::make_unique<Steer>(); }

} // namespace headscope::methods
