// SPDX-License-Identifier: GPL-3.0-or-later
// Query-focused retrieval heads (princeton-pli/QRHead): heads whose attention goes from a query to the paragraph that
// answers it, more than from a query that asks nothing.
#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/prompts/haystack.h"
#include "core/prompts/query_prompt.h"
#include "core/prompts/retrieval_prompt.h"
#include "core/store/column_values.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/own_needles.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

constexpr const char* summary = "Attention from a query to the paragraph that answers it, minus that from the query "
                                "\"N/A\", summed over the paragraph's tokens; mean over queries";

// One query over its paragraphs.
struct Asked {
  Paragraphs paragraphs;
  QueryPrompt prompt;
  std::vector<double> documents; // scores [layer, head, document]
};

class QrHeadDetector : public Detector {
public:
  std::string id() const override { return "qrhead"; }
  std::string title() const override { return "Query-focused retrieval heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "princeton-pli/QRHead"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.1, "heads with at least this score are named", {}, 0.0},
        {"documents", std::int64_t{8}, "paragraphs of a prompt", {}, 1},
        {"words", std::int64_t{30}, "words of a paragraph, the needle aside", {}, 2},
        {"needles",
         std::int64_t{3},
         "needles, each asked for, at most 3; the others are among the paragraphs; of needle_file without this: all",
         {},
         1},
        needle_file_option(),
        {"places", std::int64_t{2}, "places of the paragraph that is asked for, evenly spread", {}, 1},
        {"rows", std::string("prompt"),
         "queries that are averaged over: prompt: from the instruction on, as in the authors' code; query: the query "
         "alone",
         name_list<QueryRows>()},
        {"null_query", std::string("N/A"), "what is subtracted"},
        {"outliers", 2.0, "tokens of a paragraph at or below its mean minus so many standard deviations are left out"},
        {"chat",
         std::string("auto"),
         "ask in the model's chat template; auto: where it has one",
         {"auto", "on", "off"}},
        {"seed", std::int64_t{0}, "of the generated text", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read text with", {}, id());
    return {};
  }

  Status check_options(const OptionSet& options) const override {
    HS_TRY(chosen_needles(options, id()));
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding query-focused retrieval heads", [&] { return search(run); });
  }

private:
  static Result<DetectorResult> search(const DetectorRun& run) {
    HS_ASSIGN(const ChosenNeedles chosen, chosen_needles(run.options, "qrhead"));
    HS_ASSIGN(const store::Attributes text, text_findings(run));
    HS_ASSIGN(std::vector<Asked> plan, planned(run, chosen.needles));
    std::size_t done = 0;
    for (; done < plan.size(); ++done) {
      run.control.report("query-focused heads", static_cast<std::int64_t>(done), std::ssize(plan));
      const Status status = measure(run, plan[done]);
      if (!status.ok() && status.error().code == ErrorCode::cancelled && done > 0) break;
      HS_TRY(status);
    }
    run.control.report("query-focused heads", static_cast<std::int64_t>(done), std::ssize(plan));
    const bool complete = done == plan.size();
    plan.resize(done);
    DetectorResult result = summarise(run, plan);
    for (const store::Attributes& own : {chosen.findings, text})
      result.findings.insert(result.findings.end(), own.begin(), own.end());
    result.complete = complete;
    return result;
  }

  static Result<std::vector<Asked>> planned(const DetectorRun& run, const std::vector<Needle>& needles) {
    const auto option = [&](const char* name) { return static_cast<std::size_t>(run.options.integer(name)); };
    std::string text;
    if (run.haystack.empty()) {
      text = generated_haystack(static_cast<std::uint64_t>(run.options.integer("seed")),
                                option("documents") * option("words") * 12);
    } else {
      HS_ASSIGN(text, load_haystack(run.haystack));
    }
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    const bool chat = uses_chat(tokenizer, run.options.text("chat"));
    HS_ASSIGN(const QueryRows rows, parse_name<QueryRows>(run.options.text("rows"), "rows"));
    std::vector<Asked> plan;
    for (std::size_t needle = 0; needle < needles.size(); ++needle)
      for (std::size_t place = 0; place < option("places"); ++place) {
        Asked asked;
        HS_ASSIGN(asked.paragraphs,
                  make_paragraphs(text, needles, needle, option("documents"), option("words"),
                                  (needle + place * option("documents") / option("places")) % option("documents")));
        HS_ASSIGN(asked.prompt, make_query_prompt(tokenizer, asked.paragraphs, asked.paragraphs.query, chat, rows));
        if (std::ssize(asked.prompt.ids) > run.engine.config().n_ctx)
          return make_error(ErrorCode::invalid_argument,
                            "makes a prompt of " + std::to_string(asked.prompt.ids.size()) +
                                " tokens, which passes the model's context of " +
                                std::to_string(run.engine.config().n_ctx),
                            {}, "qrhead.documents");
        plan.push_back(std::move(asked));
      }
    return plan;
  }

  // The mean over rows of A[q, k], for every layer, head and key before the rows: [layer, head, key] float64.
  static Result<at::Tensor> row_means(const DetectorRun& run, KvCache cache, const QueryPrompt& prompt) {
    const ModelConfig& config = run.engine.config();
    const std::int64_t keys = cache.length(), rows = prompt.rows.end - prompt.rows.begin;
    at::Tensor means = at::zeros({config.n_layers, config.n_heads, keys}, at::kDouble);
    AttentionStatisticsRequest wanted;
    wanted.key_sum = true;
    wanted.done = [&](const AttentionStatistics& layer) {
      means[layer.layer] = layer.key_sum[0].narrow(1, 0, keys).cpu() / static_cast<double>(rows);
    };
    RunRequest request;
    request.batch = TokenBatch::single({prompt.ids.begin() + prompt.rows.begin, prompt.ids.begin() + prompt.rows.end});
    request.past = KvPast::append_to(cache);
    request.until = LogitRows::none;
    request.statistics = &wanted;
    request.cancel = run.control.cancel;
    HS_TRY(run.engine.run(request));
    return means;
  }

  static Status measure(const DetectorRun& run, Asked& asked) {
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    const bool chat = uses_chat(tokenizer, run.options.text("chat"));
    HS_ASSIGN(const QueryRows rows, parse_name<QueryRows>(run.options.text("rows"), "rows"));
    HS_ASSIGN(const QueryPrompt null,
              make_query_prompt(tokenizer, asked.paragraphs, run.options.text("null_query"), chat, rows));
    const auto begin = asked.prompt.rows.begin;
    if (null.rows.begin != begin || !std::equal(null.ids.begin(), null.ids.begin() + begin, asked.prompt.ids.begin()))
      return make_error(ErrorCode::mismatch, "the prompts differ before the query", {}, "qrhead.null_query");
    KvCache cache;
    RunRequest prefill;
    prefill.batch = TokenBatch::single({asked.prompt.ids.begin(), asked.prompt.ids.begin() + begin});
    prefill.past = KvPast::append_to(cache);
    prefill.until = LogitRows::none;
    prefill.cancel = run.control.cancel;
    HS_TRY(run.engine.run(prefill));
    HS_ASSIGN(const at::Tensor with, row_means(run, cache.select_rows({0}), asked.prompt));
    HS_ASSIGN(const at::Tensor without, row_means(run, std::move(cache), null));
    score_documents(with - without, asked, run.options.number("outliers"));
    return {};
  }

  // `calibrated`: [layer, head, key].
  static void score_documents(const at::Tensor& calibrated, Asked& asked, double outliers) {
    std::vector<at::Tensor> scores;
    for (const TokenRange& document : asked.prompt.documents) {
      const at::Tensor tokens = calibrated.slice(2, document.begin, document.end);
      const at::Tensor floor = tokens.mean(-1, true) - outliers * tokens.std(-1, /*unbiased=*/true, /*keepdim=*/true);
      scores.push_back(at::where(tokens > floor, tokens, 0.0).sum(-1));
    }
    const at::Tensor all = at::stack(scores, -1).contiguous();
    asked.documents.assign(all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel());
  }

  static DetectorResult summarise(const DetectorRun& run, const std::vector<Asked>& plan) {
    DetectorResult result = empty_result(run.engine);
    result.description = summary;
    result.threshold = run.options.number("threshold");
    ScoreMap first{"gold_first",
                   "share of queries for which the head gives the paragraph that answers it the highest "
                   "score",
                   "1", std::vector<float>(result.scores.size(), 0.0F)};
    const auto documents = static_cast<std::size_t>(run.options.integer("documents"));
    const auto share = 1.0 / static_cast<double>(plan.size());
    for (std::size_t head = 0; head < result.scores.size(); ++head) {
      double sum = 0.0, hits = 0.0;
      for (const Asked& asked : plan) {
        const auto scores = asked.documents.begin() + static_cast<std::ptrdiff_t>(head * documents);
        sum += scores[static_cast<std::ptrdiff_t>(asked.paragraphs.gold)];
        const auto best = std::max_element(scores, scores + static_cast<std::ptrdiff_t>(documents)) - scores;
        hits += static_cast<std::size_t>(best) == asked.paragraphs.gold ? 1.0 : 0.0;
      }
      result.scores[head] = static_cast<float>(sum * share);
      first.values[head] = static_cast<float>(hits * share);
    }
    result.maps = {std::move(first)};
    result.findings = {{"queries", std::ssize(plan)},
                       {"chat", uses_chat(*run.engine.model().tokenizer, run.options.text("chat"))}};
    name_heads(result);
    add_evidence(run, plan, result);
    return result;
  }

  static void add_evidence(const DetectorRun& run, const std::vector<Asked>& plan, DetectorResult& result) {
    struct Row {
      std::int64_t query = 0, document = 0, begin = 0, end = 0, gold = 0, rows_begin = 0;
    };
    std::vector<Row> rows;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const QueryPrompt& asked = plan[i].prompt;
      store::Prompt prompt;
      prompt.id = "qrhead-" + std::to_string(i);
      prompt.text = asked.text;
      prompt.token_ids = asked.ids;
      for (const std::int64_t id : asked.ids)
        prompt.token_pieces.push_back(run.engine.model().tokenizer->piece(id));
      result.prompts.push_back(std::move(prompt));
      for (std::size_t d = 0; d < asked.documents.size(); ++d)
        rows.push_back({.query = static_cast<std::int64_t>(i),
                        .document = static_cast<std::int64_t>(d),
                        .begin = asked.documents[d].begin,
                        .end = asked.documents[d].end,
                        .gold = d == plan[i].paragraphs.gold ? 1 : 0,
                        .rows_begin = asked.rows.begin});
    }
    const auto column = [&](std::int64_t Row::*member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {{"query", column(&Row::query), "1", "the prompt is qrhead-N"},
                     {"document", column(&Row::document), "1", "paragraph, from 0"},
                     {"begin", column(&Row::begin), "token", "its first token"},
                     {"end", column(&Row::end), "token", "one past its last"},
                     {"gold", column(&Row::gold), "1", "1: it answers the query"},
                     {"rows_begin", column(&Row::rows_begin), "token", "first token of the query"}};
    result.tables.push_back({"documents", std::move(table)});
  }
};

} // namespace

std::unique_ptr<Detector> make_qrhead_detector() { return std::make_unique<QrHeadDetector>(); }

} // namespace headscope
