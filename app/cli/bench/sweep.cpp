// SPDX-License-Identifier: GPL-3.0-or-later
// headscope bench sweep: how long a zero-ablation sweep over heads takes, on token ids that another program can use
// too.
#include <chrono>
#include <cstdio>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/bench_model.h"
#include "app/cli/bench/inputs.h"
#include "app/cli/heads.h"
#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "core/base/text_file.h"

namespace headscope::cli {
namespace {

struct SweepOptions {
  BenchModelOptions model;
  std::int64_t batch = 8, length = 64, heads = 24, tokens_per_run = 0;
  std::uint64_t seed = 0;
  std::string tokens; // a file of rows
};

Result<std::vector<std::vector<std::int64_t>>> read_rows(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto bad = [&](const char* what) { return make_error(ErrorCode::invalid_argument, what, path, "--tokens"); };
  if (!json.is_array() || json.empty()) return bad("must be a JSON list of rows of token ids");
  std::vector<std::vector<std::int64_t>> rows;
  for (const auto& row : json) {
    if (!row.is_array() || row.size() != json.front().size()) return bad("its rows must be lists of one length");
    rows.emplace_back();
    for (const auto& id : row) {
      if (!id.is_number_integer()) return bad("must hold whole numbers");
      rows.back().push_back(id.get<std::int64_t>());
    }
  }
  return rows;
}

Result<std::vector<AblationPrompt>> prompts_of(const SweepOptions& options, const ModelConfig& config) {
  if (options.tokens.empty())
    return sweep_prompts(random_rows(options.batch, options.length, options.seed, config.d_vocab));
  HS_ASSIGN(auto rows, read_rows(options.tokens));
  return sweep_prompts(std::move(rows));
}

nlohmann::json effects_json(const HeadAblationResult& result, const std::vector<HeadId>& heads) {
  nlohmann::json effects = nlohmann::json::object();
  for (const HeadId& head : heads) {
    nlohmann::json& of_head = effects[head_name(head)] = nlohmann::json::array();
    for (std::int64_t prompt = 0; prompt < result.n_prompts; ++prompt)
      of_head.push_back(number(result.effect(prompt, head.layer, head.head)));
  }
  return effects;
}

Status run_sweep(const SweepOptions& options, const Console& console) {
  HS_ASSIGN(const auto model, load_bench_model(options.model, console, options.length));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model.model));
  HS_ASSIGN(const auto prompts, prompts_of(options, model->config));
  HeadAblationOptions how;
  how.heads = spread_heads(options.heads, model->config);
  how.tokens_per_run = options.tokens_per_run;
  HeadAblationOptions warm = how; // the first pass through a library is slower: thread pools, kernels
  // On a GPU every shape that comes up is slower the first time, too.
  if (!model->device.is_cuda()) warm.heads.resize(1);
  HS_ASSIGN(const HeadAblationResult first, ablate_heads(engine, prompts, warm, console.task()));
  if (!first.complete) return make_error(ErrorCode::cancelled, "interrupted");
  const auto begin = std::chrono::steady_clock::now();
  HS_ASSIGN(const HeadAblationResult result, ablate_heads(engine, prompts, how, console.task()));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  finish_progress();
  if (!result.complete) return make_error(ErrorCode::cancelled, "interrupted");
  const auto heads = static_cast<double>(how.heads.size());
  const auto tokens = static_cast<double>(prompts.size() * prompts.front().tokens.size());
  if (console.json) {
    console.print({{"ms_per_head", 1000.0 * seconds / heads},
                   {"tokens_per_s", tokens * heads / seconds},
                   {"seconds", seconds},
                   {"heads", how.heads.size()},
                   {"batch", prompts.size()},
                   {"len", prompts.front().tokens.size()},
                   {"effects", effects_json(result, how.heads)}});
    return {};
  }
  std::printf("%.2f ms a head, %.0f tokens/s (%zu heads, %zu x %zu tokens)\n", 1000.0 * seconds / heads,
              tokens * heads / seconds, how.heads.size(), prompts.size(), prompts.front().tokens.size());
  return {};
}

} // namespace

void add_bench_sweep(CLI::App& bench, Commands& commands) {
  CLI::App* command = add_command(bench, commands, "sweep", "Time a zero-ablation sweep over heads",
                                  "headscope bench sweep --model smollm2 --batch 8 --len 64 --heads 24 --json");
  auto options = std::make_shared<SweepOptions>();
  add_bench_model_options(*command, options->model);
  command->add_option("--batch", options->batch, "Prompts")->capture_default_str()->check(at_least(1));
  command->add_option("--len", options->length, "Tokens in each")->capture_default_str()->check(at_least(1));
  command->add_option("--heads", options->heads, "Heads, evenly over the layers")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--tokens", options->tokens, "A JSON file with the rows of token ids to use");
  command->add_option("--seed", options->seed, "Of the token ids where there is no file")
      ->capture_default_str()
      ->check(at_least(0));
  command
      ->add_option("--tokens-per-run", options->tokens_per_run,
                   "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_sweep(*options, console); };
  });
}

} // namespace headscope::cli
