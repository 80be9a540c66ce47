// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <ATen/ATen.h>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/values.h"
#include "core/engine/engine.h"
#include "core/engine/finite_logits.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  std::int64_t top = 10;
  std::optional<std::int64_t> position;
  bool all = false;
};

// The positions asked for, from 0.
Result<std::vector<std::int64_t>> positions_of(const Options& options, std::int64_t count) {
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; options.all && i < count; ++i)
    positions.push_back(i);
  if (options.all) return positions;
  std::int64_t position = options.position.value_or(-1);
  if (position < 0) position += count;
  if (position < 0 || position >= count)
    return make_error(ErrorCode::invalid_argument, "the prompt has positions 0 to " + std::to_string(count - 1), {},
                      "--position");
  return std::vector<std::int64_t>{position};
}

// Logits after each of these positions, [position, d_vocab].
Result<at::Tensor> logits_at(const Engine& engine, const std::vector<std::int64_t>& ids,
                             const std::vector<std::int64_t>& positions, const Console& console) {
  RunRequest request;
  request.batch = TokenBatch::single(ids);
  request.cancel = console.task().cancel;
  const bool last = positions.size() == 1 && positions[0] + 1 == static_cast<std::int64_t>(ids.size());
  request.logits = last ? LogitRows::last : LogitRows::all;
  HS_ASSIGN(const RunResult result, engine.run(request));
  HS_TRY(check_finite(result.logits, engine.model()));
  if (last) return result.logits.to(at::kCPU, at::kFloat);
  const at::Tensor rows = at::tensor(positions, at::kLong).to(result.logits.device());
  return result.logits[0].index_select(0, rows).to(at::kCPU, at::kFloat);
}

struct Candidate {
  std::int64_t id = 0;
  double logit = 0.0, probability = 0.0;
};

std::vector<Candidate> strongest(const at::Tensor& logits, std::int64_t most) {
  const auto [values, order] = logits.topk(std::min<std::int64_t>(most, logits.size(0)));
  const at::Tensor probabilities = logits.to(at::kDouble).softmax(0);
  std::vector<Candidate> list;
  for (std::int64_t i = 0; i < order.size(0); ++i) {
    const auto id = order[i].item<std::int64_t>();
    list.push_back({id, values[i].item<double>(), probabilities[id].item<double>()});
  }
  return list;
}

nlohmann::json to_json(const std::vector<Candidate>& list, const Tokenizer& tokenizer) {
  nlohmann::json top = nlohmann::json::array();
  for (const Candidate& token : list)
    top.push_back({{"id", token.id},
                   {"piece", tokenizer.piece(token.id)},
                   {"logit", number(token.logit)},
                   {"probability", number(token.probability)}});
  return top;
}

void print_table(const std::vector<Candidate>& list, const Tokenizer& tokenizer) {
  std::vector<std::vector<std::string>> lines = {{"logit", "probability", "id", "token"}};
  for (const Candidate& token : list)
    lines.push_back({fixed(token.logit, 4), fixed(token.probability, 4), std::to_string(token.id),
                     "|" + one_line(tokenizer.text(token.id)) + "|"});
  std::printf("%s", aligned(lines).c_str());
}

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const auto ids, encode_prompt(*model, text, options.prompt));
  HS_ASSIGN(const auto positions, positions_of(options, static_cast<std::int64_t>(ids.size())));
  HS_ASSIGN(const at::Tensor logits, logits_at(engine, ids, positions, console));
  const Tokenizer& tokenizer = *model->tokenizer;
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const std::vector<Candidate> top = strongest(logits[static_cast<std::int64_t>(i)], options.top);
    const std::int64_t id = ids[static_cast<std::size_t>(positions[i])];
    list.push_back(
        {{"position", positions[i]}, {"id", id}, {"piece", tokenizer.piece(id)}, {"top", to_json(top, tokenizer)}});
    if (console.json) continue;
    if (options.all)
      std::printf("%safter %lld |%s|\n", i ? "\n" : "", static_cast<long long>(positions[i]),
                  one_line(tokenizer.text(id)).c_str());
    print_table(top, tokenizer);
  }
  if (console.json)
    console.print(options.all ? nlohmann::json{{"positions", list}} : nlohmann::json{{"top", list[0]["top"]}});
  return {};
}

} // namespace

void add_logits(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "logits", "Show the likeliest next tokens of a prompt",
                                  "headscope logits --model smollm2 --prompt 'The capital of France is' --top 5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_options(*command, options->prompt);
  command->add_option("--top", options->top, "How many tokens")->capture_default_str()->check(at_least(1));
  command->add_option("--position", options->position,
                      "After this token of the prompt instead of the last; negative counts from the end");
  command->add_flag("--all", options->all, "After every token of the prompt")->excludes("--position");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
