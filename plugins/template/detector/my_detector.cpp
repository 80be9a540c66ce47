// SPDX-License-Identifier: GPL-3.0-or-later
// A detector to start from: measures how much each head attends to the query's own token, on random tokens.
#include <random>

#include "plugins/sdk/detector.h"
#include "plugins/sdk/plugin.h"

namespace {

using namespace headscope;

class SelfAttention : public Detector {
public:
  std::string id() const override { return "my_id"; }
  std::string title() const override { return "Self-attending heads"; }
  std::string description() const override { return "Mean attention from each token to itself, on random tokens"; }
  std::string reference() const override { return "the template of Headscope's plugin guide"; }

  std::vector<OptionSpec> options() const override {
    return {{"threshold", 0.5, "heads with at least this score are named"},
            {"n", std::int64_t{32}, "random tokens in the text", {}, 2},
            {"seed", std::int64_t{0}, "of the random tokens", {}, 0}};
  }

  Status check(const Engine&) const override { return {}; }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    const std::vector<std::int64_t> tokens = random_tokens(run);
    DetectorResult result = empty_result(run.engine);

    // Headscope computes the mean weight at a distance from the query for every head, without the whole pattern.
    AttentionStatisticsRequest statistics;
    statistics.distances = {0};
    statistics.done = [&](const AttentionStatistics& layer) {
      const at::Tensor means = layer.stripe.select(2, 0).select(0, 0).cpu(); // [batch, head, distance] -> [head]
      for (std::int64_t head = 0; head < result.n_heads; ++head)
        result.scores[result.index(layer.layer, head)] = means[head].item().to<float>();
      run.control.report("self-attention", layer.layer + 1, result.n_layers);
    };
    RunRequest request;
    request.batch = TokenBatch::single(tokens);
    request.until = LogitRows::none;
    request.statistics = &statistics;
    request.cancel = run.control.cancel;
    HS_TRY(run.engine.run(request));

    result.description = description();
    result.threshold = run.options.number("threshold");
    result.prompts.push_back(prompt_of(run.engine, tokens)); // what the scores come from, for the result file
    name_heads(result);
    return result;
  }

private:
  static std::vector<std::int64_t> random_tokens(const DetectorRun& run) {
    std::mt19937_64 random(static_cast<std::uint64_t>(run.options.integer("seed")));
    std::vector<std::int64_t> tokens;
    for (std::int64_t i = 0; i < run.options.integer("n"); ++i)
      tokens.push_back(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(run.engine.config().d_vocab)));
    return tokens;
  }

  static store::Prompt prompt_of(const Engine& engine, const std::vector<std::int64_t>& tokens) {
    store::Prompt prompt;
    prompt.id = "my_id-0";
    prompt.token_ids = tokens;
    const auto& tokenizer = engine.model().tokenizer;
    for (const std::int64_t token : tokens)
      prompt.token_pieces.push_back(tokenizer ? tokenizer->piece(token) : std::to_string(token));
    if (tokenizer) prompt.text = tokenizer->decode(tokens);
    return prompt;
  }
};

} // namespace

HEADSCOPE_DETECTOR_PLUGIN(std::make_unique<SelfAttention>())
