// SPDX-License-Identifier: GPL-3.0-or-later
// headscope bench eap-ig: how long the scores of every edge by integrated gradients take, on token ids that another
// program can use too.
#include <cstdio>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/bench_model.h"
#include "app/cli/bench/inputs.h"
#include "app/cli/bench/measure.h"
#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "core/base/text_file.h"
#include "core/circuits/edge_scores.h"

namespace headscope::cli {
namespace {

struct EapIgOptions {
  BenchModelOptions model;
  std::string pairs; // a file
  std::int64_t count = 8, length = 16, steps = 5, tokens_per_run = 0, activation_mib = 1024;
};

Result<std::vector<PatchPair>> read_pairs(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  std::vector<PatchPair> pairs;
  try {
    for (std::size_t i = 0; i < json.at("clean").size(); ++i) {
      const auto answers = json.at("answers").at(i).get<std::vector<std::int64_t>>();
      pairs.push_back({json.at("clean").at(i).get<std::vector<std::int64_t>>(),
                       json.at("corrupt").at(i).get<std::vector<std::int64_t>>(),
                       {{answers.at(0)}, {answers.at(1)}}});
    }
  } catch (const std::exception& error) {
    return make_error(
        ErrorCode::corrupt,
        std::string("must be {\"clean\": rows of token ids, \"corrupt\": rows, \"answers\": rows of a right "
                    "and a wrong token}: ") +
            error.what(),
        path, "--pairs");
  }
  return pairs;
}

// Clean and corrupt differ in the token in the middle.
std::vector<PatchPair> random_pairs(const EapIgOptions& options, const ModelConfig& config) {
  std::vector<PatchPair> pairs;
  for (auto& row : random_rows(options.count, options.length, 0, config.d_vocab)) {
    std::vector<std::int64_t> corrupt = row;
    std::int64_t& changed = corrupt[static_cast<std::size_t>(options.length / 2)];
    changed = (changed + 1) % config.d_vocab;
    pairs.push_back({std::move(row), std::move(corrupt), {{1}, {2}}});
  }
  return pairs;
}

Status run_eap_ig(const EapIgOptions& options, const Console& console) {
  CircuitTask task;
  if (!options.pairs.empty()) {
    HS_ASSIGN(task.pairs, read_pairs(options.pairs));
  }
  HS_ASSIGN(const auto model, load_bench_model(options.model, console, options.length));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model.model));
  if (options.pairs.empty()) task.pairs = random_pairs(options, model->config);
  task.tokens_per_run = options.tokens_per_run;
  ScoreOptions how{ScoreMethod::eap_ig_inputs, options.steps, options.activation_mib << 20};
  const ComputationalGraph graph(graph_shape(model->config));
  GraphScores scores;
  Measured measured;
  for (int run = 0; run < 2; ++run) { // the first pass through a library is slower: thread pools, kernels
    HS_ASSIGN(measured, measure_once(model->device, [&]() -> Status {
                HS_ASSIGN(scores, score_edges(engine, graph, task, how, console.task()));
                if (!scores.complete) return make_error(ErrorCode::cancelled, "interrupted");
                return {};
              }));
  }
  finish_progress();
  if (!console.json) {
    std::printf("%.3f s, %.1f MiB above the model (%zu pairs, %lld steps, %lld edges)\n", measured.seconds,
                static_cast<double>(measured.memory_bytes) / (1 << 20), task.pairs.size(),
                static_cast<long long>(options.steps), static_cast<long long>(graph.edge_count()));
    return {};
  }
  nlohmann::json values = nlohmann::json::array();
  for (const double score : scores.edges)
    values.push_back(number(score));
  console.print({{"seconds", measured.seconds},
                 {"memory_bytes", measured.memory_bytes},
                 {"pairs", task.pairs.size()},
                 {"steps", options.steps},
                 {"scores", std::move(values)}});
  return {};
}

} // namespace

void add_bench_eap_ig(CLI::App& bench, Commands& commands) {
  CLI::App* command = add_command(bench, commands, "eap-ig", "Time the scores of all edges by integrated gradients",
                                  "headscope bench eap-ig --model smollm2 --count 8 --len 16 --json");
  auto options = std::make_shared<EapIgOptions>();
  add_bench_model_options(*command, options->model);
  command->add_option("--pairs", options->pairs, "A JSON file with clean and corrupt rows of token ids, and answers");
  command->add_option("--count", options->count, "Pairs, where there is no file")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--len", options->length, "Tokens in each")->capture_default_str()->check(at_least(1));
  command->add_option("--steps", options->steps, "Of the integrated gradients")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--tokens-per-run", options->tokens_per_run, "Tokens that go through at once; 0: by memory")
      ->capture_default_str()
      ->check(at_least(0));
  command
      ->add_option("--activation-mib", options->activation_mib, "Activations kept for the backward pass; 0: a block's")
      ->capture_default_str()
      ->check(at_least(0));
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_eap_ig(*options, console); };
  });
}

} // namespace headscope::cli
