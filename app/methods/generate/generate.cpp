// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/generate/generate.h"

#include <algorithm>

#include "app/methods/generate/head_factors.h"
#include "app/methods/inputs/model_options.h"
#include "core/engine/generate.h"
#include "core/vocabulary/ablation.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

struct AblatedHeads {
  std::string heads;
  bool uniform = false; // attention; else the output is zero
  Phase phase = Phase::both;
};

// Reads "HEADS:METHOD" or "HEADS:METHOD:PHASE", e.g. "18.6,17.3:zero:decode".
Result<AblatedHeads> parse_ablation(const std::string& text) {
  const auto colon = text.find(':');
  const std::string rest = colon == std::string::npos ? "zero" : text.substr(colon + 1);
  const auto second = rest.find(':');
  const std::string method = rest.substr(0, second);
  if (method != "zero" && method != "uniform")
    return make_error(ErrorCode::invalid_argument,
                      "must be HEADS:METHOD[:PHASE] with the method zero or uniform, not '" + text + "'", {},
                      "--ablate");
  AblatedHeads ablated{text.substr(0, colon), method == "uniform"};
  if (second != std::string::npos) {
    HS_ASSIGN(ablated.phase, parse_name<Phase>(rest.substr(second + 1), "--ablate"));
  }
  return ablated;
}

Status add_interventions(const AblatedHeads& ablated, const ModelConfig& config, std::vector<Intervention>& list) {
  const auto heads = parse_heads(ablated.heads, config.n_layers, config.n_heads);
  if (!heads.ok()) return make_error(heads.error().code, heads.error().message, {}, "--ablate");
  for (const HeadId& head : *heads) {
    Intervention intervention;
    intervention.site = {ablated.uniform ? HookPoint::pattern : HookPoint::z, head.layer};
    intervention.kind = ablated.uniform ? InterventionKind::uniform : InterventionKind::zero;
    intervention.head = head.head;
    intervention.phase = ablated.phase;
    list.push_back(intervention);
  }
  return {};
}

// The text so far, cut at a stop text. It is passed on as it comes, except for an end that may still change.
class Continuation {
public:
  Continuation(const Tokenizer& tokenizer, const std::vector<std::string>& stop, const Context& context)
      : tokenizer_(tokenizer), stop_(stop), pass_on_(context.text_piece) {
    for (const std::string& text : stop)
      held_back_ = std::max(held_back_, text.size());
  }

  // Adds a token; returns false once a stop text has come.
  bool add(std::int64_t token) {
    ids_.push_back(token);
    text_ = tokenizer_.decode(ids_, true);
    std::size_t end = std::string::npos;
    for (const std::string& stop : stop_)
      end = std::min(end, text_.find(stop));
    stopped_ = end != std::string::npos;
    if (stopped_) text_.resize(end);
    // A character whose bytes are incomplete is U+FFFD at the end; text that may begin a stop text is also held back.
    const bool whole = text_.size() < 3 || text_.compare(text_.size() - 3, 3, "\xEF\xBF\xBD") != 0;
    const std::size_t sure = stopped_ ? text_.size() : text_.size() - std::min(text_.size(), held_back_);
    if (whole) pass_on(sure);
    return !stopped_;
  }
  // Passes on the rest and ends the line.
  void finish() {
    pass_on(text_.size());
    if (pass_on_) pass_on_("\n");
  }

  const std::vector<std::int64_t>& ids() const { return ids_; }
  const std::string& text() const { return text_; }
  bool stopped() const { return stopped_; }

private:
  void pass_on(std::size_t end) {
    while (end > passed_ && end < text_.size() && (text_[end] & 0xC0) == 0x80)
      --end; // not inside a character
    if (!pass_on_ || end <= passed_) return;
    pass_on_(text_.substr(passed_, end - passed_));
    passed_ = end;
  }

  const Tokenizer& tokenizer_;
  const std::vector<std::string>& stop_;
  const std::function<void(const std::string&)>& pass_on_; // may be empty
  bool stopped_ = false;
  std::vector<std::int64_t> ids_;
  std::string text_;
  std::size_t passed_ = 0, held_back_ = 0;
};

const char* why_ended(const Generation& generation, const Continuation& continuation, const Model& model) {
  if (continuation.stopped()) return "stop";
  const auto ends = model.tokenizer->end_ids();
  const auto& made = generation.tokens;
  return !made.empty() && std::find(ends.begin(), ends.end(), made.back()) != ends.end() ? "eos" : "length";
}

class Generate : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "generate",
        .summary = "Continue a prompt, greedily or by sampling",
        .example = "headscope generate --model smollm2 --chat --prompt 'What is gravity?' --max-new-tokens 64",
        .output = Output::none};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_options(list, prompt_); }

  void options(OptionList& list) override {
    list.add("max_new_tokens", generation_.max_new_tokens, "Tokens at most").in("token").flags({"-n"}).at_least(0);
    list.add("temperature", generation_.temperature, "0: greedy").at_least(0);
    list.add("top_k", generation_.top_k, "Sample from the k likeliest; 0: all").in("token").at_least(0);
    list.add("top_p", generation_.top_p, "Sample from the smallest set with this probability").between(0, 1);
    list.add("seed", generation_.seed, "Of the sampling").at_least(0);
    list.add("stop", stop_, "End before this text; may be repeated");
    list.add("ablate", ablate_,
             "HEADS:METHOD[:PHASE], e.g. 18.6,17.3:zero:decode; methods zero and uniform; may be repeated");
    list.add("scale_from", factors_.file,
             "Multiply the output of each head by its factor in this result file, e.g. of detect --detectors vision")
        .from("0.2")
        .reads_file();
    list.add("scale_array", factors_.array, "Which array [layer, head] of that file").from("0.2");
    list.add_choice("scale_phase", factors_.phase, "In which steps; decode begins with the first generated token")
        .from("0.2");
  }

  Status check_inputs() override {
    HS_ASSIGN(text_, one_prompt(prompt_));
    return {};
  }
  Status check_options() override {
    for (const std::string& text : ablate_)
      HS_TRY(parse_ablation(text));
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(const auto ids, encode_prompt(work.engine, text_, prompt_));
    HS_ASSIGN(GenerateOptions how, generation_of(model));
    how.control.cancel = work.context.cancel;
    const bool streamed = static_cast<bool>(work.context.text_piece);
    if (!streamed) how.control.progress = work.context.control().progress; // a bar would be mixed with the text
    Continuation continuation(*model.tokenizer, stop_, work.context);
    how.on_token = [&](std::int64_t token) { return continuation.add(token); };
    const auto generated = generate(work.engine, ids, how);
    work.context.finish_progress();
    continuation.finish();
    const bool cut_short = !generated.ok() && generated.error().code == ErrorCode::cancelled;
    if (!generated.ok() && !cut_short) return generated.error();
    const nlohmann::json json = {{"prompt_ids", ids},
                                 {"ids", continuation.ids()},
                                 {"text", continuation.text()},
                                 {"ended_by", cut_short ? "interruption" : why_ended(*generated, continuation, model)}};
    return Report{json, streamed ? std::string() : continuation.text() + "\n", !cut_short};
  }

private:
  Result<GenerateOptions> generation_of(const Model& model) const {
    GenerateOptions how = generation_;
    for (const std::string& text : ablate_) {
      HS_ASSIGN(const AblatedHeads ablated, parse_ablation(text));
      HS_TRY(add_interventions(ablated, model.config, how.interventions));
    }
    HS_ASSIGN(const std::vector<Intervention> scales, scale_by(factors_, model));
    how.interventions.insert(how.interventions.end(), scales.begin(), scales.end());
    how.last_prompt_token_decodes = !scales.empty() && factors_.phase == Phase::decode;
    return how;
  }

  PromptOptions prompt_;
  std::string text_; // of the prompt
  GenerateOptions generation_;
  std::vector<std::string> ablate_, stop_;
  HeadFactors factors_;
};

} // namespace

std::unique_ptr<Method> make_generate() { return std::make_unique<Generate>(); }

} // namespace headscope::methods
