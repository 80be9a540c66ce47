// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/generate.h"

#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/heads.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  GenerateOptions generation;
  std::string zero_heads, phase = "both";
};

// Every chosen head's z set to zero in the chosen phase.
Result<std::vector<Intervention>> ablations(const Options& options, const ModelConfig& config) {
  std::vector<Intervention> list;
  if (options.zero_heads.empty()) return list;
  HS_ASSIGN(const auto heads, parse_heads(options.zero_heads, config));
  HS_ASSIGN(const Phase phase, parse_phase(options.phase));
  for (const HeadId& head : heads) {
    Intervention intervention;
    intervention.site = {HookPoint::z, head.layer};
    intervention.head = head.head;
    intervention.phase = phase;
    list.push_back(intervention);
  }
  return list;
}

// Prints text as it comes, holding back a character whose bytes are not all there yet.
class Stream {
public:
  explicit Stream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  void add(std::int64_t token) {
    ids_.push_back(token);
    const std::string text = tokenizer_.decode(ids_, true);
    const bool whole = text.size() < 3 || text.compare(text.size() - 3, 3, "\xEF\xBF\xBD") != 0;
    if (!whole || text.size() <= printed_) return;
    std::fwrite(text.data() + printed_, 1, text.size() - printed_, stdout);
    std::fflush(stdout);
    printed_ = text.size();
  }

private:
  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> ids_;
  std::size_t printed_ = 0;
};

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const auto ids, encode_prompt(*model, text, options.prompt));
  GenerateOptions generation = options.generation;
  HS_ASSIGN(generation.interventions, ablations(options, model->config));
  generation.task.cancel = console.task().cancel;
  if (console.json) generation.task.progress = console.task().progress;
  std::vector<std::int64_t> tokens;
  Stream stream(*model->tokenizer);
  generation.on_token = [&](std::int64_t token) {
    tokens.push_back(token);
    if (!console.json) stream.add(token);
    return true;
  };
  const auto generated = generate(Engine(model), ids, generation);
  finish_progress();
  if (!console.json) std::printf("\n");
  if (!generated.ok()) return generated.error();
  if (console.json)
    console.print({{"prompt_ids", ids}, {"ids", tokens}, {"text", model->tokenizer->decode(tokens, true)}});
  return {};
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
      ->check(CLI::NonNegativeNumber);
  command->add_option("--temperature", generation.temperature, "0: greedy")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top-k", generation.top_k, "Sample from the k likeliest; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top-p", generation.top_p, "Sample from the smallest set with this probability")
      ->capture_default_str();
  command->add_option("--seed", generation.seed, "Of the sampling")->capture_default_str();
  command->add_option("--zero-heads", options->zero_heads, "Zero these heads while generating: 18.6,17.3 or a layer");
  command->add_option("--phase", options->phase, "When: prefill, decode or both")->capture_default_str();
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
