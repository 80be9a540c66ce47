// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/sweep_job.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "app/gui/engine/engine_state.h"
#include "app/gui/engine/predict_job.h"
#include "app/gui/forms/method_form.h"
#include "app/methods/ablate/ablate.h"
#include "core/model/guard.h"
#include "core/sweeps/sweep.h"

namespace headscope::gui {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds between_partials(100);

struct Prompts {
  methods::PromptSet set;
  TokenInfo answer, wrong; // of the prompt in force
  std::string note;        // of an answer that the model would write with a space before it; else empty
};

// Options of the method as the request has them.
Result<methods::AblateOptions> options_of(const MethodRequest& request) {
  methods::AblateOptions options;
  methods::OptionList list;
  methods::list_prompt_set_options(list, options.prompts);
  methods::list_ablate_options(list, options);
  HS_TRY(set_values(request, list));
  HS_TRY(list.check());
  HS_TRY(methods::check_prompt_set(options.prompts));
  if (options.joint.given())
    return make_error(ErrorCode::unsupported, "a sweep ablates heads one at a time", {}, "--together");
  return options;
}

// The prompt in force, with the answers that the ablation view takes.
Result<Prompts> prompt_in_force(EngineState& state, const SweepRequest& request, const methods::AblateOptions& options,
                                const RunControl& control) {
  Prompts found;
  Answers answers;
  if (needs_answers(options.sweep.metric)) {
    PredictRequest likeliest;
    likeliest.tokens = request.tokens;
    likeliest.answer = options.prompts.answer;
    likeliest.wrong = options.prompts.wrong;
    HS_ASSIGN(const Prediction prediction, predict(state, likeliest, control));
    found.answer = prediction.answer;
    found.note = prediction.note;
    answers.answer = {prediction.answer.id};
    if (needs_wrong(options.sweep.metric)) {
      found.wrong = prediction.wrong;
      answers.wrong = {prediction.wrong.id};
      if (answers.wrong == answers.answer)
        return make_error(ErrorCode::invalid_argument, "is the same token as the answer", {}, "--wrong");
    }
  }
  found.set.ids = {"prompt-0"};
  found.set.prompts = {{request.tokens, std::move(answers)}};
  return found;
}

// Whether the command line would come to the same tokens and answers.
bool says_the_same(const EngineState& state, const MethodRequest& request, const methods::PromptSet& set) {
  const auto options = options_of(request);
  if (!options.ok()) return false;
  const MetricKind metric = options->sweep.metric;
  const auto said =
      methods::make_prompt_set(*state.engine, options->prompts, needs_answers(metric), needs_wrong(metric));
  return said.ok() && said->prompts.size() == set.prompts.size() &&
         std::equal(set.prompts.begin(), set.prompts.end(), said->prompts.begin(),
                    [](const AblationPrompt& a, const AblationPrompt& b) {
                      return a.tokens == b.tokens && a.answers.answer == b.answers.answer &&
                             a.answers.wrong == b.answers.wrong;
                    });
}

// With the answers that were taken, so that nobody has to look for them again.
Result<MethodRequest> answered_request(const EngineState& state, const SweepRequest& request, const Prompts& prompts) {
  auto values = request.method.values;
  if (!prompts.answer.text.empty()) values["answer"] = prompts.answer.text;
  if (!prompts.wrong.text.empty()) values["wrong"] = prompts.wrong.text;
  HS_ASSIGN(MethodRequest answered, filled_request(request.method.id, values, request.model));
  if (!says_the_same(state, answered, prompts.set)) answered.command_line.clear();
  return answered;
}

HeadSweep empty_sweep(const EngineState& state, const HeadAblationOptions& sweep, const Prompts& prompts) {
  const Engine& engine = *state.engine;
  HeadSweep out;
  out.model = {engine.model().identity.sha256(), state.opened.dtype, state.opened.device, state.plan};
  out.metric = to_string(sweep.metric);
  out.units = units_of(sweep.metric);
  out.method = to_string(sweep.method);
  out.answer = prompts.answer.text;
  out.wrong = prompts.wrong.text;
  out.n_prompts = std::ssize(prompts.set.prompts);
  out.n_layers = static_cast<int>(engine.config().n_layers);
  out.n_heads = static_cast<int>(engine.config().n_heads);
  const double none = std::numeric_limits<double>::quiet_NaN();
  out.clean.assign(static_cast<std::size_t>(out.n_prompts), none);
  out.effects.assign(static_cast<std::size_t>(out.n_prompts * out.n_layers * out.n_heads), none);
  return out;
}

// Prompts that lack the same heads.
struct Part {
  std::vector<std::int64_t> prompts;
  std::vector<HeadId> heads;
};

class Sweeping {
public:
  Sweeping(const Engine& engine, const HeadAblationOptions& options, const std::vector<AblationPrompt>& prompts,
           HeadSweep& out, const RunControl& control, const std::function<void(HeadSweep)>& partial)
      : engine_(engine), options_(options), prompts_(prompts), out_(out), control_(control), partial_(partial) {}

  Status run(bool begun) {
    if (!begun) {
      std::vector<std::int64_t> all(prompts_.size());
      for (std::size_t i = 0; i < all.size(); ++i)
        all[i] = static_cast<std::int64_t>(i);
      return measure({std::move(all), options_.heads});
    }
    for (const Part& part : missing()) {
      HS_TRY(measure(part));
      if (!out_.complete) return {};
    }
    out_.complete = true;
    return {};
  }

private:
  std::size_t index(std::int64_t prompt, HeadId head) const {
    return static_cast<std::size_t>((prompt * out_.n_layers + head.layer) * out_.n_heads + head.head);
  }

  std::vector<HeadId> wanted() const {
    if (!options_.heads.empty()) return options_.heads;
    std::vector<HeadId> all;
    for (int layer = 0; layer < out_.n_layers; ++layer)
      for (int head = 0; head < out_.n_heads; ++head)
        all.push_back({layer, head});
    return all;
  }

  // Mean and resample take what they put in from the prompts beside each other, so these stay together.
  std::vector<Part> missing() const {
    const bool apart = options_.method == AblationMethod::zero || options_.method == AblationMethod::uniform;
    std::map<std::vector<HeadId>, Part> parts;
    Part together;
    for (const HeadId head : wanted())
      for (std::int64_t prompt = 0; prompt < out_.n_prompts; ++prompt)
        if (std::isnan(out_.effects[index(prompt, head)])) {
          together.heads.push_back(head);
          break;
        }
    for (std::int64_t prompt = 0; prompt < out_.n_prompts; ++prompt) {
      together.prompts.push_back(prompt);
      std::vector<HeadId> heads;
      for (const HeadId head : together.heads)
        if (std::isnan(out_.effects[index(prompt, head)])) heads.push_back(head);
      Part& part = parts[heads];
      part.heads = std::move(heads);
      part.prompts.push_back(prompt);
    }
    parts.erase(std::vector<HeadId>()); // nothing is missing
    std::vector<Part> out;
    if (!apart && !together.heads.empty()) return {together};
    for (auto& [heads, part] : parts)
      out.push_back(std::move(part));
    return out;
  }

  Status measure(const Part& part) {
    HeadAblationOptions options = options_;
    options.heads = part.heads;
    std::vector<AblationPrompt> prompts;
    for (const std::int64_t prompt : part.prompts)
      prompts.push_back(prompts_[static_cast<std::size_t>(prompt)]);
    const auto take = [&](const HeadAblationPart& measured) -> Status {
      for (const std::int64_t prompt : measured.prompts)
        keep(*measured.result, prompt, part.prompts[static_cast<std::size_t>(prompt)], measured.layer);
      post();
      return {};
    };
    HS_ASSIGN(const HeadAblationResult result, ablate_heads(engine_, prompts, options, control_, take));
    out_.complete = result.complete;
    const std::string note = reference_note(options, prompts, result);
    if (!note.empty() && std::find(out_.warnings.begin(), out_.warnings.end(), note) == out_.warnings.end())
      out_.warnings.push_back(note);
    return {};
  }

  void keep(const HeadAblationResult& result, std::int64_t from, std::int64_t to, int layer) {
    out_.clean[static_cast<std::size_t>(to)] = result.clean[static_cast<std::size_t>(from)];
    for (int head = 0; head < out_.n_heads; ++head)
      if (const double effect = result.effect(from, layer, head); !std::isnan(effect))
        out_.effects[index(to, {layer, head})] = effect;
  }

  void post() {
    if (!partial_ || Clock::now() < next_) return;
    next_ = Clock::now() + between_partials;
    partial_(out_);
  }

  const Engine& engine_;
  const HeadAblationOptions& options_;
  const std::vector<AblationPrompt>& prompts_;
  HeadSweep& out_;
  const RunControl& control_;
  const std::function<void(HeadSweep)>& partial_;
  Clock::time_point next_ = Clock::now();
};

Result<Prompts> prompts_of(EngineState& state, const SweepRequest& request, const methods::AblateOptions& options,
                           const RunControl& control) {
  if (!request.tokens.empty()) return prompt_in_force(state, request, options, control);
  const MetricKind metric = options.sweep.metric;
  Prompts found;
  HS_ASSIGN(found.set,
            methods::make_prompt_set(*state.engine, options.prompts, needs_answers(metric), needs_wrong(metric)));
  return found;
}

bool fits(const HeadSweep& begun, const HeadSweep& now) {
  return begun.model == now.model && begun.request == now.request && begun.effects.size() == now.effects.size();
}

} // namespace

std::vector<double> HeadSweep::mean_effects() const {
  return mean_over_first_axis(effects, n_prompts, std::int64_t{n_layers} * n_heads);
}

Result<HeadSweep> sweep_heads(EngineState& state, const SweepRequest& request, const RunControl& control,
                              const std::function<void(HeadSweep)>& partial) {
  return guarded("sweeping heads", [&]() -> Result<HeadSweep> {
    HS_ASSIGN(const auto engine, open_engine(state));
    HS_ASSIGN(const methods::AblateOptions options, options_of(request.method));
    HS_ASSIGN(const HeadAblationOptions sweep, methods::sweep_of(options, *engine));
    HS_ASSIGN(const Prompts prompts, prompts_of(state, request, options, control));
    HeadSweep out = empty_sweep(state, sweep, prompts);
    HS_ASSIGN(out.request, answered_request(state, request, prompts));
    out.notes = prompts.set.dropped;
    HS_ASSIGN(const std::string unspaced,
              leading_space_warning(*engine, prompts.set.rows(), prompts.set.unspaced, control.cancel));
    for (const std::string& note : {prompts.note, unspaced})
      if (!note.empty()) out.warnings.push_back(note);
    const bool begun = request.begun && fits(*request.begun, out);
    if (begun) {
      out.clean = request.begun->clean;
      out.effects = request.begun->effects;
    }
    if (partial) partial(out); // the empty grid with its title, before the first numbers
    HS_TRY(Sweeping(*engine, sweep, prompts.set.prompts, out, control, partial).run(begun));
    return out;
  });
}

} // namespace headscope::gui
