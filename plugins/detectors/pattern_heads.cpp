// SPDX-License-Identifier: GPL-3.0-or-later
// Induction, previous-token and duplicate-token heads: stripes on repeated tokens, or similarity to an ideal pattern.
#include <algorithm>
#include <optional>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/detection_pattern.h"
#include "plugins/detectors/own_pattern.h"
#include "plugins/detectors/pattern_texts.h"
#include "plugins/detectors/stripes.h"

namespace headscope {
namespace {

struct Kind {
  const char *id, *title, *description;
  // The distance between query and key, for a text of n tokens written twice.
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
    OptionSpec pattern{"pattern", std::string(),
                       "mul and abs: P of your own: " + all_names<PatternRule>() +
                           ", or a .npy or .csv file of [query, key]; measure is mul then unless set"};
    pattern.file = true;
    pattern.words = name_list<PatternRule>();
    std::vector<OptionSpec> all = {
        {"threshold", 0.4, "heads with at least this score are named"},
        {"measure",
         std::string("stripe"),
         "stripe: mean over the diagonal; mul, abs: likeness to the ideal pattern P, sum(A P) / sum(A) or 1 - T mean|A "
         "- P|",
         {"stripe", "mul", "abs"}},
        {"exclude_bos", false, "mul and abs: without attention to the first token"},
        {"exclude_current_token", false, "mul and abs: without attention to the query's own token"},
        pattern,
    };
    add_pattern_text_options(all);
    return all;
  }

  Status check_options(const OptionSet& options) const override {
    HS_TRY(check_pattern_texts(options, id()));
    const bool own = !options.text("pattern").empty();
    if (own && options.is_set("measure") && options.text("measure") == "stripe")
      return make_error(ErrorCode::invalid_argument, "stripe compares with no pattern; give mul or abs", {},
                        id() + ".measure");
    if (own) HS_TRY(read_pattern(options.text("pattern"), id() + ".pattern"));
    if (!repeats(options) && measure_of(options) == "stripe" && id() != "previous")
      return make_error(ErrorCode::invalid_argument,
                        "off leaves no stripe of " + id() + " heads; give " + id() + ".measure=mul or abs", {},
                        id() + ".repeat");
    return {};
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
    HS_TRY(check_options(run.options));
    HS_ASSIGN(const PatternTexts texts, pattern_texts(run, id()));
    StripeMeans stripe(run.engine.config());
    HS_ASSIGN(const std::optional<OwnPattern> own, own_pattern(run.options));
    HS_ASSIGN(std::optional<SimilaritySum> likeness, similarity(run, texts.tokens, own));
    std::int64_t layers_done = 0;
    const auto report = [&](int layer) {
      layers_done = std::max<std::int64_t>(layers_done, layer + 1);
      run.control.report(id() + " heads", layers_done, run.engine.config().n_layers);
    };
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      likeness->add(tile);
      report(tile.layer);
    };
    AttentionStatisticsRequest statistics;
    statistics.distances = {kind_.distance(texts.n)};
    statistics.done = [&](const AttentionStatistics& layer) {
      stripe.add(layer);
      report(layer.layer);
    };
    RunRequest request;
    request.batch.tokens = texts.tokens;
    request.until = LogitRows::none;
    if (likeness)
      request.observer = &observer;
    else
      request.statistics = &statistics;
    request.cancel = run.control.cancel;
    const auto ran = run.engine.run(request);
    if (!ran.ok() && (ran.error().code != ErrorCode::cancelled || layers_done == 0)) return ran.error();
    DetectorResult result = empty_result(run.engine);
    result.scores = likeness ? likeness->means() : stripe.means();
    result.complete = ran.ok();
    describe(run.options, texts, own, result);
    name_heads(result);
    add_evidence(result, texts.tokens, run.engine);
    return result;
  }

  void describe(const OptionSet& options, const PatternTexts& texts, const std::optional<OwnPattern>& own,
                DetectorResult& result) const {
    result.threshold = options.number("threshold");
    result.findings = texts.findings;
    result.message = texts.message;
    result.description = kind_.description;
    if (measure_of(options) != "stripe")
      result.description =
          "Likeness of the attention pattern to that of " + (own ? own->name : title()) + ", on " + texts.what;
    else if (!options.text("text").empty())
      result.description += "; here on " + texts.what;
    if (!own) return;
    result.findings.insert(result.findings.end(), own->findings.begin(), own->findings.end());
    if (!own->is_mask && measure_of(options) == "mul")
      result.message += (result.message.empty() ? "" : "; ") + own->name +
                        " has entries other than 0 and 1: mul is then no share of the attention";
  }

  static std::string measure_of(const OptionSet& options) {
    return options.text("pattern").empty() || options.is_set("measure") ? options.text("measure") : "mul";
  }

  Result<std::optional<OwnPattern>> own_pattern(const OptionSet& options) const {
    if (options.text("pattern").empty()) return std::optional<OwnPattern>{};
    HS_ASSIGN(OwnPattern read, read_pattern(options.text("pattern"), id() + ".pattern"));
    return std::optional<OwnPattern>{std::move(read)};
  }

  // The sum for similarity; nothing for the stripe measure.
  Result<std::optional<SimilaritySum>> similarity(const DetectorRun& run, const at::Tensor& tokens,
                                                  const std::optional<OwnPattern>& own) const {
    const std::string measure = measure_of(run.options);
    if (measure == "stripe") return std::optional<SimilaritySum>{};
    std::vector<at::Tensor> expected;
    for (std::int64_t row = 0; row < tokens.size(0); ++row) {
      HS_ASSIGN(at::Tensor ideal, own ? pattern_on(*own, tokens[row], id() + ".pattern")
                                      : Result<at::Tensor>(detection_pattern(id(), tokens[row])));
      expected.push_back(std::move(ideal));
    }
    return std::optional<SimilaritySum>(std::in_place, run.engine.config(), at::stack(expected),
                                        SimilarityOptions{measure == "mul" ? Similarity::mul : Similarity::abs,
                                                          run.options.flag("exclude_bos"),
                                                          run.options.flag("exclude_current_token")});
  }

  // Adds the texts, so that a score can be traced to what was run.
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
