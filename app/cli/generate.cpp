// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/generate.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "app/cli/command.h"
#include "app/cli/heads.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  GenerateOptions generation;
  std::vector<std::string> ablate, stop;
};

// "HEADS:METHOD" or "HEADS:METHOD:PHASE", e.g. "18.6,17.3:zero:decode".
Status add_ablation(const std::string& text, const ModelConfig& config, std::vector<Intervention>& list) {
  const auto colon = text.find(':');
  const std::string rest = colon == std::string::npos ? "zero" : text.substr(colon + 1);
  const auto second = rest.find(':');
  const std::string method = rest.substr(0, second);
  if (method != "zero" && method != "uniform")
    return make_error(ErrorCode::invalid_argument,
                      "must be HEADS:METHOD[:PHASE] with the method zero or uniform, not '" + text + "'", {},
                      "--ablate");
  HS_ASSIGN(const auto heads, parse_heads(text.substr(0, colon), config));
  HS_ASSIGN(const Phase phase, parse_phase(second == std::string::npos ? "both" : rest.substr(second + 1)));
  for (const HeadId& head : heads) {
    Intervention intervention;
    const bool zero = method == "zero";
    intervention.site = {zero ? HookPoint::z : HookPoint::pattern, head.layer};
    intervention.kind = zero ? InterventionKind::zero : InterventionKind::uniform;
    intervention.head = head.head;
    intervention.phase = phase;
    list.push_back(intervention);
  }
  return {};
}

// plain_text() that keeps its lines and tabs.
std::string text_lines(const std::string& text) {
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("\n\t", begin), text.size());
    out += plain_text(text.substr(begin, end - begin));
    if (end < text.size()) out += text[end];
    begin = end + 1;
  }
  return out;
}

// The text so far: printed as it comes where asked, holding back what may still change, and cut at a stop text.
class Continuation {
public:
  Continuation(const Tokenizer& tokenizer, const std::vector<std::string>& stop, bool print)
      : tokenizer_(tokenizer), stop_(stop), print_(print) {
    for (const std::string& text : stop)
      held_back_ = std::max(held_back_, text.size());
  }

  // False: a stop text has come.
  bool add(std::int64_t token) {
    ids_.push_back(token);
    text_ = tokenizer_.decode(ids_, true);
    std::size_t end = std::string::npos;
    for (const std::string& stop : stop_)
      end = std::min(end, text_.find(stop));
    stopped_ = end != std::string::npos;
    if (stopped_) text_.resize(end);
    // A character whose bytes are not all there yet is U+FFFD at the end; what may begin a stop text waits too.
    const bool whole = text_.size() < 3 || text_.compare(text_.size() - 3, 3, "\xEF\xBF\xBD") != 0;
    const std::size_t sure = stopped_ ? text_.size() : text_.size() - std::min(text_.size(), held_back_);
    if (whole) show(sure);
    return !stopped_;
  }
  void finish() { show(text_.size()); }

  const std::vector<std::int64_t>& ids() const { return ids_; }
  const std::string& text() const { return text_; }
  bool stopped() const { return stopped_; }

private:
  void show(std::size_t end) {
    while (end > printed_ && end < text_.size() && (text_[end] & 0xC0) == 0x80)
      --end; // not inside a character
    if (!print_ || end <= printed_) return;
    std::string piece = text_.substr(printed_, end - printed_);
    if (terminal_) piece = text_lines(piece); // a file or a program gets every byte
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
    printed_ = end;
  }

  const Tokenizer& tokenizer_;
  const std::vector<std::string>& stop_;
  bool print_ = false, stopped_ = false, terminal_ = ::isatty(STDOUT_FILENO) == 1;
  std::vector<std::int64_t> ids_;
  std::string text_;
  std::size_t printed_ = 0, held_back_ = 0;
};

const char* why_ended(const Generation& generation, const Continuation& continuation, const Model& model) {
  if (continuation.stopped()) return "stop";
  const auto ends = model.tokenizer->end_ids();
  const auto& made = generation.tokens;
  return !made.empty() && std::find(ends.begin(), ends.end(), made.back()) != ends.end() ? "eos" : "length";
}

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const auto ids, encode_prompt(*model, text, options.prompt));
  GenerateOptions generation = options.generation;
  for (const std::string& spec : options.ablate)
    HS_TRY(add_ablation(spec, model->config, generation.interventions));
  generation.task.cancel = console.task().cancel;
  if (console.json) generation.task.progress = console.task().progress;
  Continuation continuation(*model->tokenizer, options.stop, !console.json);
  generation.on_token = [&](std::int64_t token) { return continuation.add(token); };
  const auto generated = generate(engine, ids, generation);
  finish_progress();
  continuation.finish();
  if (!console.json) std::printf("\n");
  const bool cut_short = !generated.ok() && generated.error().code == ErrorCode::cancelled;
  if (console.json && (generated.ok() || cut_short))
    console.print({{"prompt_ids", ids},
                   {"ids", continuation.ids()},
                   {"text", continuation.text()},
                   {"ended_by", cut_short ? "interruption" : why_ended(*generated, continuation, *model)}});
  return generated.ok() ? Status() : generated.error();
}

} // namespace

void add_generate(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "generate", "Continue a prompt, greedily or by sampling",
                  "headscope generate --model smollm2 --chat --prompt 'What is gravity?' --max-new-tokens 64");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_options(*command, options->prompt);
  GenerateOptions& generation = options->generation;
  command->add_option("--max-new-tokens,-n", generation.max_new_tokens, "Tokens at most")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--temperature", generation.temperature, "0: greedy")->capture_default_str()->check(at_least(0));
  command->add_option("--top-k", generation.top_k, "Sample from the k likeliest; 0: all")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--top-p", generation.top_p, "Sample from the smallest set with this probability")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--seed", generation.seed, "Of the sampling")->capture_default_str()->check(at_least(0));
  command->add_option("--stop", options->stop, "End before this text; may be repeated")->allow_extra_args(false);
  command
      ->add_option("--ablate", options->ablate,
                   "HEADS:METHOD[:PHASE], e.g. 18.6,17.3:zero:decode; methods zero and uniform; may be repeated")
      ->allow_extra_args(false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
