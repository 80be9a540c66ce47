// SPDX-License-Identifier: GPL-3.0-or-later
// Attention sinks: keys that draw attention whatever the query asks (Gu et al., sail-sg/Attention-Sink), the first
// token and later ones (Yu et al. 2406.15765).
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/sink_statistics.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

constexpr const char* summary = "Share of texts in which the first token draws more than epsilon of the attention "
                                "that could go to it (alpha_0 = mean over queries of A[q,0])";

class SinkDetector : public Detector {
public:
  std::string id() const override { return "sink"; }
  std::string title() const override { return "Attention sinks"; }
  std::string description() const override { return summary; }
  std::string reference() const override {
    return "Gu et al., sail-sg/Attention-Sink; later sinks: Yu et al. 2406.15765";
  }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.5, "heads with at least this share of texts are named", {}, 0.0},
        {"epsilon", 0.3, "alpha_k above this is a sink at k", {}, 0.0},
        {"tokens", std::int64_t{64}, "T, tokens in a text", {}, 4},
        {"texts", std::int64_t{20}, "number of texts", {}, 1},
        {"theta", std::string("0.1"), "later tokens with a_k above this are sinks: a number, or 5/T"},
        {"skip_last",
         std::int64_t{8},
         "keys at the end that are not counted: alpha_k is unreliable for k near T",
         {},
         0},
        {"bos", std::string("auto"), "begin each text as the tokenizer begins a prompt", {"auto", "off"}},
        {"seed", std::int64_t{0}, "of the generated text", {}, 0},
        text_option(),
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read text with", {}, id());
    return {};
  }

  Status check_options(const OptionSet& options) const override { return check_own_text(options, id()); }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding attention sinks", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const auto rows,
              text_rows(run, run.options.integer("texts"), run.options.integer("tokens"),
                        static_cast<std::uint64_t>(run.options.integer("seed")), run.options.text("bos") == "auto"));
    const auto length = static_cast<std::int64_t>(rows.front().size());
    HS_ASSIGN(const store::Attributes text, text_findings(run));
    HS_ASSIGN(const double theta, later_threshold(run.options.text("theta"), length));
    SinkStatistics statistics(run.engine.config(), length);
    bool complete = true;
    for (std::size_t i = 0; i < rows.size() && complete; ++i) {
      run.control.report("attention sinks", static_cast<std::int64_t>(i), static_cast<std::int64_t>(rows.size()));
      AttentionStatisticsRequest wanted;
      wanted.key_sum = true;
      wanted.done = [&](const AttentionStatistics& layer) { statistics.add(layer); };
      RunRequest request;
      request.batch = TokenBatch::single(rows[i]);
      request.until = LogitRows::none;
      request.statistics = &wanted;
      request.cancel = run.control.cancel;
      const auto ran = run.engine.run(request);
      if (!ran.ok() && ran.error().code != ErrorCode::cancelled) return ran.error();
      complete = ran.ok();
      if (complete) statistics.finish_text();
    }
    if (!complete && statistics.texts() == 0) return make_error(ErrorCode::cancelled, "attention sinks were cancelled");
    run.control.report("attention sinks", statistics.texts(), static_cast<std::int64_t>(rows.size()));
    DetectorResult result = summarise(run, statistics, theta);
    result.findings.insert(result.findings.end(), text.begin(), text.end());
    result.complete = complete;
    if (static_cast<std::int64_t>(rows.size()) < run.options.integer("texts"))
      result.message = text_source(run).path + " holds only " + std::to_string(rows.size()) + " texts of " +
                       std::to_string(length) + " tokens";
    add_evidence(result, rows, statistics.texts(), run.engine);
    return result;
  }

  static Result<double> later_threshold(const std::string& text, std::int64_t length) {
    if (text == "5/T") return 5.0 / static_cast<double>(length);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(value > 0.0))
      return make_error(ErrorCode::invalid_argument, "must be a positive number or 5/T, not '" + text + "'", {},
                        "sink.theta");
    return value;
  }

  static DetectorResult summarise(const DetectorRun& run, const SinkStatistics& statistics, double theta) {
    const double epsilon = run.options.number("epsilon");
    const std::int64_t last = std::max<std::int64_t>(1, statistics.length() - run.options.integer("skip_last"));
    DetectorResult result = empty_result(run.engine);
    result.description = summary;
    result.threshold = run.options.number("threshold");
    result.scores = statistics.rate_at(0, epsilon);
    result.maps = {
        {"alpha_first", "mean over texts of alpha_0, the attention to the first token", "1", statistics.mean_at(0)},
        {"later_rate", "share of texts with a later sink: some a_k > theta for k from 1 on", "1",
         statistics.later_rate(theta, last)},
        {"later_alpha", "largest a_k for k from 1 on, mean over texts", "1", statistics.later_max(last)},
    };
    result.findings = {
        {"texts", statistics.texts()},
        {"tokens", statistics.length()},
        {"sink_1", statistics.share_at(0, epsilon)},
        {"theta", theta},
    };
    store::Table table;
    std::vector<std::int64_t> keys;
    std::vector<double> shares, means;
    for (std::int64_t k = 0; k < statistics.length(); ++k) {
      keys.push_back(k);
      shares.push_back(statistics.share_at(k, epsilon));
      means.push_back(statistics.overall_mean(k));
    }
    table.columns = {{"key", keys, "token", "position of the key"},
                     {"sink_rate", shares, "1", "share of (text, layer, head) with alpha_k > epsilon"},
                     {"mean_alpha", means, "1", "mean of alpha_k over texts, layers and heads"}};
    result.tables.push_back({"by_key", std::move(table)});
    result.tables.push_back({"later_sinks", statistics.later_table(theta, last)});
    name_heads(result);
    return result;
  }

  static void add_evidence(DetectorResult& result, const std::vector<std::vector<std::int64_t>>& rows,
                           std::int64_t measured, const Engine& engine) {
    const Tokenizer& tokenizer = *engine.model().tokenizer;
    for (std::size_t i = 0; i < static_cast<std::size_t>(measured); ++i) {
      store::Prompt prompt;
      prompt.id = "sink-" + std::to_string(i);
      prompt.token_ids = rows[i];
      prompt.text = tokenizer.decode(rows[i]);
      for (const std::int64_t token : rows[i])
        prompt.token_pieces.push_back(tokenizer.piece(token));
      result.prompts.push_back(std::move(prompt));
    }
  }
};

} // namespace

std::unique_ptr<Detector> make_sink_detector() { return std::make_unique<SinkDetector>(); }

} // namespace headscope
