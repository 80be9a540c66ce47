// SPDX-License-Identifier: GPL-3.0-or-later
// Induction, previous-token and duplicate-token heads: stripes on repeated random tokens.
#include <algorithm>
#include <optional>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/detection_pattern.h"
#include "plugins/detectors/stripes.h"

namespace headscope {
namespace {

struct Kind {
  const char *id, *title, *description;
  // Distance between query and key, for a text of n tokens written twice.
  std::int64_t (*distance)(std::int64_t n);
};

constexpr Kind kinds[] = {
    {"induction", "Induction heads",
     "Mean attention from each repeated token to the token after its first occurrence, on random tokens written twice",
     [](std::int64_t n) { return n - 1; }},
    {"previous", "Previous-token heads",
     "Mean attention from each token to the one before it, on random tokens written twice",
     [](std::int64_t) { return std::int64_t{1}; }},
    {"duplicate", "Duplicate-token heads",
     "Mean attention from each repeated token to its first occurrence, on random tokens written twice",
     [](std::int64_t n) { return n; }},
};

class PatternDetector : public Detector {
public:
  explicit PatternDetector(const Kind& kind) : kind_(kind) {}

  std::string id() const override { return kind_.id; }
  std::string title() const override { return kind_.title; }
  std::string description() const override { return kind_.description; }
  std::string reference() const override { return "TransformerLens: stripe means, and head_detector for mul and abs"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.4, "heads with at least this score are named"},
        {"measure",
         std::string("stripe"),
         "stripe: mean over the diagonal; mul, abs: likeness to the ideal pattern P, sum(A P) / sum(A) or 1 - T mean|A "
         "- P|",
         {"stripe", "mul", "abs"}},
        {"exclude_bos", false, "mul and abs: without attention to the first token"},
        {"exclude_current_token", false, "mul and abs: without attention to the query's own token"},
        {"batch", std::int64_t{10}, "number of texts", {}, 1},
        {"n", std::int64_t{50}, "random tokens in a text, before they repeat", {}, 2},
        {"low", std::int64_t{1000}, "smallest token id drawn (0 where the vocabulary ends before twice that)", {}, 0},
        {"high", std::int64_t{9999}, "one more than the largest token id drawn", {}, 1},
        {"seed", std::int64_t{0}, "of torch's CPU generator", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (engine.config().d_vocab < 4) return make_error(ErrorCode::unsupported, "the vocabulary is too small", {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding " + id() + " heads", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    const RepeatedTokens spec = tokens_for(run);
    if (spec.low >= spec.high)
      return make_error(ErrorCode::invalid_argument, "must be less than high", {}, id() + ".low");
    if (2 * spec.n > run.engine.config().n_ctx)
      return make_error(ErrorCode::invalid_argument,
                        "makes a text of " + std::to_string(2 * spec.n) +
                            " tokens, which passes the model's context of " + std::to_string(run.engine.config().n_ctx),
                        {}, id() + ".n");
    const at::Tensor tokens = repeated_tokens(spec);
    StripeMeans stripe(run.engine.config());
    std::optional<SimilaritySum> likeness = similarity(run, tokens);
    std::int64_t layers_done = 0;
    const auto report = [&](int layer) {
      layers_done = std::max<std::int64_t>(layers_done, layer + 1);
      run.task.report(id() + " heads", layers_done, run.engine.config().n_layers);
    };
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      likeness->add(tile);
      report(tile.layer);
    };
    AttentionStatisticsRequest statistics;
    statistics.distances = {kind_.distance(spec.n)};
    statistics.done = [&](const AttentionStatistics& layer) {
      stripe.add(layer);
      report(layer.layer);
    };
    RunRequest request;
    request.batch.tokens = tokens;
    request.until = LogitRows::none;
    if (likeness)
      request.observer = &observer;
    else
      request.statistics = &statistics;
    request.cancel = run.task.cancel;
    const auto ran = run.engine.run(request);
    if (!ran.ok() && (ran.error().code != ErrorCode::cancelled || layers_done == 0)) return ran.error();
    DetectorResult result = empty_result(run.engine);
    result.scores = likeness ? likeness->means() : stripe.means();
    result.description =
        likeness ? "Likeness of the attention pattern to that of " + title() + ", on random tokens written twice"
                 : kind_.description;
    result.threshold = run.options.number("threshold");
    result.complete = ran.ok();
    result.findings = {{"low", spec.low}, {"high", spec.high}}; // as drawn from, in a small vocabulary too
    name_heads(result);
    add_evidence(result, tokens, run.engine);
    return result;
  }

  // Nothing for the stripe measure.
  std::optional<SimilaritySum> similarity(const DetectorRun& run, const at::Tensor& tokens) const {
    const std::string& measure = run.options.text("measure");
    if (measure == "stripe") return std::nullopt;
    std::vector<at::Tensor> expected;
    for (std::int64_t row = 0; row < tokens.size(0); ++row)
      expected.push_back(detection_pattern(id(), tokens[row]));
    return SimilaritySum(run.engine.config(), at::stack(expected),
                         {measure == "mul" ? Similarity::mul : Similarity::abs, run.options.flag("exclude_bos"),
                          run.options.flag("exclude_current_token")});
  }

  static RepeatedTokens tokens_for(const DetectorRun& run) {
    RepeatedTokens spec;
    spec.batch = run.options.integer("batch");
    spec.n = run.options.integer("n");
    spec.seed = static_cast<std::uint64_t>(run.options.integer("seed"));
    const std::int64_t d_vocab = run.engine.config().d_vocab;
    spec.high = std::min(run.options.integer("high"), d_vocab);
    spec.low = run.options.integer("low");
    if (spec.high == d_vocab && d_vocab < 2 * spec.low) spec.low = 0;
    return spec;
  }

  // The texts, so that a score can be followed to what was run.
  void add_evidence(DetectorResult& result, const at::Tensor& tokens, const Engine& engine) const {
    const auto& tokenizer = engine.model().tokenizer;
    for (std::int64_t row = 0; row < tokens.size(0); ++row) {
      store::Prompt prompt;
      prompt.id = id() + "-" + std::to_string(row);
      for (std::int64_t i = 0; i < tokens.size(1); ++i) {
        const std::int64_t token = tokens[row][i].item<std::int64_t>();
        prompt.token_ids.push_back(token);
        prompt.token_pieces.push_back(tokenizer ? tokenizer->piece(token) : std::to_string(token));
      }
      if (tokenizer) prompt.text = tokenizer->decode(prompt.token_ids);
      result.prompts.push_back(std::move(prompt));
    }
  }

  const Kind& kind_;
};

} // namespace

std::unique_ptr<Detector> make_pattern_detector(const std::string& id) {
  for (const Kind& kind : kinds)
    if (id == kind.id) return std::make_unique<PatternDetector>(kind);
  return nullptr;
}

} // namespace headscope
