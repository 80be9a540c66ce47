// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench eap-ig`: how long the scores of every edge by integrated gradients take, on token ids that another
// program can use too.
#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/bench_model.h"
#include "app/methods/bench/inputs.h"
#include "app/methods/bench/measure.h"
#include "core/base/text_file.h"
#include "core/circuits/edge_scores.h"

namespace headscope::methods {
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

// Makes pairs whose clean and corrupt prompts differ in the middle token.
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

Report report_of(const EapIgOptions& options, const Measured& measured, std::size_t pairs, std::int64_t edges,
                 const GraphScores& scores) {
  nlohmann::json values = nlohmann::json::array();
  for (const double score : scores.edges)
    values.push_back(number(score));
  return Report{{{"seconds", measured.seconds},
                 {"memory_bytes", measured.memory_bytes},
                 {"pairs", pairs},
                 {"steps", options.steps},
                 {"scores", std::move(values)}},
                printed("%.3f s, %.1f MiB above the model (%zu pairs, %lld steps, %lld edges)\n", measured.seconds,
                        static_cast<double>(measured.memory_bytes) / (1 << 20), pairs,
                        static_cast<long long>(options.steps), static_cast<long long>(edges))};
}

class BenchEapIg : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "bench eap-ig",
                                    .summary = "Time the scores of all edges by integrated gradients",
                                    .example = "headscope bench eap-ig --model smollm2 --count 8 --len 16 --json",
                                    .needs_tokenizer = false,
                                    .needs_model = false,
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override {
    list_bench_model_options(list, options_.model);
    list.add("pairs", options_.pairs, "A JSON file with clean and corrupt rows of token ids, and answers").reads_file();
    list.add("count", options_.count, "Pairs, where there is no file").in("pair").at_least(1);
    list.add("len", options_.length, "Tokens in each").in("token").at_least(1);
    list.add("steps", options_.steps, "Of the integrated gradients").at_least(1);
    list.add("tokens_per_run", options_.tokens_per_run, "Tokens that go through at once; 0: by memory")
        .in("token")
        .at_least(0);
    list.add("activation_mib", options_.activation_mib, "Activations kept for the backward pass; 0: a block's")
        .in("MiB")
        .at_least(0);
  }

  Status check_options() override { return check_bench_model(options_.model); }

  Result<Report> run_alone(const Context& context) override {
    CircuitTask task;
    if (!options_.pairs.empty()) {
      HS_ASSIGN(task.pairs, read_pairs(options_.pairs));
    }
    HS_ASSIGN(const auto model, load_bench_model(options_.model, context, options_.length));
    HS_ASSIGN(const Engine engine, open_engine(model, options_.model.model));
    if (options_.pairs.empty()) task.pairs = random_pairs(options_, model->config);
    task.tokens_per_run = options_.tokens_per_run;
    const ScoreOptions how{ScoreMethod::eap_ig_inputs, options_.steps, options_.activation_mib << 20};
    const ComputationalGraph graph(graph_shape(model->config));
    GraphScores scores;
    Measured measured;
    for (int run = 0; run < 2; ++run) { // the first pass through a library is slower: thread pools, kernels
      HS_ASSIGN(measured, measure_once(model->device, [&]() -> Status {
                  HS_ASSIGN(scores, score_edges(engine, graph, task, how, context.control()));
                  if (!scores.complete) return make_error(ErrorCode::cancelled, "interrupted");
                  return {};
                }));
    }
    return report_of(options_, measured, task.pairs.size(), graph.edge_count(), scores);
  }

private:
  EapIgOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_eap_ig() { return std::make_unique<BenchEapIg>(); }

} // namespace headscope::methods
