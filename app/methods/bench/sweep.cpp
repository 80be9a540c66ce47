// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench sweep`: how long a zero-ablation sweep over heads takes, on token ids that another program can use
// too.
#include <chrono>

#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/bench_model.h"
#include "app/methods/bench/inputs.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "core/base/text_file.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
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

// The result of the timed sweep, and its seconds.
struct Timed {
  HeadAblationResult result;
  double seconds = 0.0;
};

Result<Timed> timed_sweep(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                          const HeadAblationOptions& how, const Context& context) {
  HeadAblationOptions warm = how; // the first pass through a library is slower: thread pools, kernels
  // On a GPU every new shape is slower the first time, so all heads are warmed up.
  if (!engine.model().device.is_cuda()) warm.heads.resize(1);
  HS_ASSIGN(const HeadAblationResult first, ablate_heads(engine, prompts, warm, context.control()));
  if (!first.complete) return make_error(ErrorCode::cancelled, "interrupted");
  const auto begin = std::chrono::steady_clock::now();
  HS_ASSIGN(HeadAblationResult result, ablate_heads(engine, prompts, how, context.control()));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!result.complete) return make_error(ErrorCode::cancelled, "interrupted");
  return Timed{std::move(result), seconds};
}

class BenchSweep : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "bench sweep",
                                    .summary = "Time a zero-ablation sweep over heads",
                                    .example =
                                        "headscope bench sweep --model smollm2 --batch 8 --len 64 --heads 24 --json",
                                    .needs_tokenizer = false,
                                    .needs_model = false,
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override {
    list_bench_model_options(list, options_.model);
    list.add("batch", options_.batch, "Prompts").in("prompt").at_least(1);
    list.add("len", options_.length, "Tokens in each").in("token").at_least(1);
    list.add("heads", options_.heads, "Heads, evenly over the layers").at_least(1);
    list.add("tokens", options_.tokens, "A JSON file with the rows of token ids to use").reads_file();
    list.add("seed", options_.seed, "Of the token ids where there is no file").at_least(0);
    list_tokens_per_run(list, options_.tokens_per_run);
  }

  Status check_options() override { return check_bench_model(options_.model); }

  Result<Report> run_alone(const Context& context) override {
    HS_ASSIGN(const auto model, load_bench_model(options_.model, context, options_.length));
    HS_ASSIGN(const Engine engine, open_engine(model, options_.model.model));
    HS_ASSIGN(const auto prompts, prompts_of(options_, model->config));
    HeadAblationOptions how;
    how.heads = spread_heads(options_.heads, model->config);
    how.tokens_per_run = options_.tokens_per_run;
    HS_ASSIGN(const Timed timed, timed_sweep(engine, prompts, how, context));
    const auto heads = static_cast<double>(how.heads.size());
    const std::size_t length = prompts.front().tokens.size();
    const double ms_per_head = 1000.0 * timed.seconds / heads;
    const double tokens_per_s = static_cast<double>(prompts.size() * length) * heads / timed.seconds;
    return Report{{{"ms_per_head", ms_per_head},
                   {"tokens_per_s", tokens_per_s},
                   {"seconds", timed.seconds},
                   {"heads", how.heads.size()},
                   {"batch", prompts.size()},
                   {"len", length},
                   {"effects", effects_json(timed.result, how.heads)}},
                  printed("%.2f ms a head, %.0f tokens/s (%zu heads, %zu x %zu tokens)\n", ms_per_head, tokens_per_s,
                          how.heads.size(), prompts.size(), length)};
  }

private:
  SweepOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_sweep() { return std::make_unique<BenchSweep>(); }

} // namespace headscope::methods
