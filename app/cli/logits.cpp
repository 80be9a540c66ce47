// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <ATen/ATen.h>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/values.h"
#include "core/engine/engine.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  std::int64_t top = 10;
  std::optional<std::int64_t> position;
};

Result<at::Tensor> logits_at(const Engine& engine, const std::vector<std::int64_t>& ids,
                             std::optional<std::int64_t> position, const Console& console) {
  RunRequest request;
  request.batch = TokenBatch::single(ids);
  request.cancel = console.task().cancel;
  request.logits = position ? LogitRows::all : LogitRows::last;
  HS_ASSIGN(const RunResult result, engine.run(request));
  return (position ? result.logits[0][*position] : result.logits[0]).to(at::kCPU, at::kFloat);
}

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const auto ids, encode_prompt(*model, text, options.prompt));
  const auto count = static_cast<std::int64_t>(ids.size());
  std::optional<std::int64_t> position = options.position;
  if (position && *position < 0) *position += count;
  if (position && (*position < 0 || *position >= count))
    return make_error(ErrorCode::invalid_argument, "the prompt has positions 0 to " + std::to_string(count - 1), {},
                      "--position");
  HS_ASSIGN(const at::Tensor logits, logits_at(Engine(model), ids, position, console));
  const auto [values, order] = logits.topk(std::min<std::int64_t>(options.top, logits.size(0)));
  const at::Tensor probabilities = logits.softmax(0);
  nlohmann::json top = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"logit", "probability", "id", "token"}};
  for (std::int64_t i = 0; i < order.size(0); ++i) {
    const auto id = order[i].item<std::int64_t>();
    const double logit = values[i].item<double>(), probability = probabilities[id].item<double>();
    const std::string piece = id < model->tokenizer->vocab_size() ? model->tokenizer->piece(id) : std::string();
    top.push_back({{"id", id}, {"piece", piece}, {"logit", logit}, {"probability", probability}});
    lines.push_back(
        {fixed(logit, 4), fixed(probability, 4), std::to_string(id), "|" + one_line(model->tokenizer->text(id)) + "|"});
  }
  if (console.json)
    console.print({{"top", top}});
  else
    std::printf("%s", aligned(lines).c_str());
  return {};
}

} // namespace

void add_logits(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "logits", "Show the likeliest next tokens of a prompt",
                                  "headscope logits --model smollm2 --prompt 'The capital of France is' --top 5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_options(*command, options->prompt);
  command->add_option("--top", options->top, "How many tokens")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--position", options->position,
                      "After this token of the prompt instead of the last; negative counts from the end");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
