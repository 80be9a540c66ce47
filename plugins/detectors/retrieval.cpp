// SPDX-License-Identifier: GPL-3.0-or-later
// Retrieval heads (Wu et al. 2404.15574): heads that, while the model copies a needle out of a long context, attend to
// exactly the token that is generated.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/model/guard.h"
#include "core/prompts/retrieval_prompt.h"
#include "core/scoring/rank_correlation.h"
#include "core/store/column_values.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/own_needles.h"
#include "plugins/detectors/retrieval_properties.h"
#include "plugins/detectors/retrieval_run.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Share of a needle's tokens that the head attends to most in the step that generates them, "
    "mean over the runs in which the model answered from the needle";

struct RunRecord {
  std::int64_t length = 0, depth = 0;
  Needle needle;
  RetrievalPrompt prompt;
  RetrievalRun outcome;
  bool kept = false;
};

// One token that a head copied in the run `run`.
struct CopyRow {
  std::int64_t run = 0;
  CopyCounter::Copy copy;
};

store::Table runs_table(const std::vector<RunRecord>& records) {
  using Record = RunRecord;
  const auto column = [&](auto of) { return store::column_values(records, of); };
  std::vector<std::int64_t> runs(records.size());
  std::iota(runs.begin(), runs.end(), std::int64_t{0});
  store::Table table;
  table.columns = {
      {"run", runs, "1", "the prompt is retrieval-N"},
      {"length", column(&Record::length), "token", "asked for"},
      {"depth", column(&Record::depth), "%", "of the needle in the context"},
      {"needle", column([](const Record& r) { return r.needle.name; }), "", "name of the needle"},
      {"tokens", column([](const Record& r) { return std::int64_t{std::ssize(r.prompt.ids)}; }), "token",
       "of the prompt"},
      {"needle_begin", column([](const Record& r) { return r.prompt.span.begin; }), "token",
       "first token of the needle"},
      {"needle_end", column([](const Record& r) { return r.prompt.span.end; }), "token", "one past its last"},
      {"kept", column([](const Record& r) { return std::int64_t{r.kept ? 1 : 0}; }), "1",
       "1: the answer came from the needle"},
      {"rouge", column([](const Record& r) { return r.outcome.rouge; }), "1", "ROUGE-1 recall of the answer, stemmed"},
      {"answer", column([](const Record& r) { return r.outcome.answer; }), "", "what was generated"}};
  return table;
}

store::Table copies_table(const std::vector<CopyRow>& copies) {
  using Copy = CopyCounter::Copy;
  const auto column = [&](std::int64_t Copy::*member) {
    return store::column_values(copies, [&](const CopyRow& row) { return row.copy.*member; });
  };
  store::Table table;
  table.columns = {{"run", store::column_values(copies, &CopyRow::run), "1", "index into runs"},
                   {"layer", column(&Copy::layer), "1", "layer"},
                   {"head", column(&Copy::head), "1", "head"},
                   {"step", column(&Copy::step), "1", "generated token, from 0"},
                   {"position", column(&Copy::position), "token", "of the prompt, attended most"},
                   {"token", column(&Copy::token), "1", "id, generated and attended"}};
  return table;
}

class RetrievalDetector : public Detector {
public:
  std::string id() const override { return "retrieval"; }
  std::string title() const override { return "Retrieval heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "Wu et al. 2024, arXiv 2404.15574; nightdessert/Retrieval_Head"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.1, "heads with at least this score are named", {}, 0.0},
        {"score",
         std::string("set"),
         "set: distinct needle tokens copied; code: every copy counts, as in the authors' code",
         {"set", "code"}},
        {"length_min", std::int64_t{300}, "shortest prompt in tokens, reserve included", {}, 1},
        {"length_max", std::int64_t{700}, "longest prompt in tokens", {}, 1},
        {"lengths", std::int64_t{3}, "number of lengths between them (the paper: 20)", {}, 1},
        {"depths", std::int64_t{3}, "number of depths from 0 to 100 % (the paper: 10)", {}, 1},
        {"needles", std::int64_t{3}, "number of needles, at most 3; of needle_file without this: all", {}, 1},
        needle_file_option(),
        {"reserve", std::int64_t{200}, "tokens kept free for question and answer", {}, 0},
        {"new_tokens", std::int64_t{50}, "longest answer; a newline ends it", {}, 1},
        {"rouge", 0.5, "runs whose answer has at most this ROUGE-1 recall are not counted", {}, 0.0},
        {"chat",
         std::string("auto"),
         "ask in the model's chat template; auto: where it has one",
         {"auto", "on", "off"}},
        {"seed", std::int64_t{0}, "of the generated haystack", {}, 0},
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
    return guarded("finding retrieval heads", [&] { return search(run); });
  }

private:
  static Result<DetectorResult> search(const DetectorRun& run) {
    HS_ASSIGN(const auto haystack, read_haystack(run));
    HS_ASSIGN(const ChosenNeedles chosen, chosen_needles(run.options, "retrieval"));
    HS_ASSIGN(const store::Attributes text, text_findings(run));
    std::vector<RunRecord> plan = planned(run, chosen.needles);
    HS_TRY(check_lengths(run, haystack, chosen.needles));
    bool complete = true;
    std::size_t done = 0;
    for (RunRecord& record : plan) {
      run.control.report("retrieval heads", static_cast<std::int64_t>(done), static_cast<std::int64_t>(plan.size()));
      const Status status = measure(run, haystack, record);
      complete = status.ok() || status.error().code != ErrorCode::cancelled;
      if (!complete) break;
      HS_TRY(status);
      ++done;
    }
    run.control.report("retrieval heads", static_cast<std::int64_t>(done), static_cast<std::int64_t>(plan.size()));
    plan.resize(done);
    if (!complete && done == 0) return make_error(ErrorCode::cancelled, "retrieval heads were cancelled");
    DetectorResult result = summarise(run, plan);
    for (const store::Attributes& own : {chosen.findings, text})
      result.findings.insert(result.findings.end(), own.begin(), own.end());
    result.complete = complete;
    return result;
  }

  static std::int64_t longest(const DetectorRun& run) {
    return std::max(run.options.integer("length_min"), run.options.integer("length_max"));
  }

  static Result<std::vector<std::int64_t>> read_haystack(const DetectorRun& run) {
    std::string text;
    if (run.haystack.empty()) {
      text = generated_haystack(static_cast<std::uint64_t>(run.options.integer("seed")),
                                static_cast<std::size_t>(longest(run) * 8));
    } else {
      HS_ASSIGN(text, load_haystack(run.haystack));
    }
    return run.engine.model().tokenizer->encode(text, {false, false});
  }

  static std::vector<RunRecord> planned(const DetectorRun& run, const std::vector<Needle>& needles) {
    std::vector<RunRecord> plan;
    for (const Needle& needle : needles)
      for (const std::int64_t length :
           spread(run.options.integer("length_min"), run.options.integer("length_max"), run.options.integer("lengths")))
        for (const std::int64_t depth : spread(0, 100, run.options.integer("depths"))) {
          RunRecord record;
          record.length = length;
          record.depth = depth;
          record.needle = needle;
          plan.push_back(std::move(record));
        }
    return plan;
  }

  static bool uses_chat(const DetectorRun& run) {
    return headscope::uses_chat(*run.engine.model().tokenizer, run.options.text("chat"));
  }

  // Checks, before the first of perhaps hundreds of runs, that the shortest prompt has room for the needle and that the
  // longest one with its answer fits the model.
  static Status check_lengths(const DetectorRun& run, const std::vector<std::int64_t>& haystack,
                              const std::vector<Needle>& needles) {
    const std::int64_t n_ctx = run.engine.config().n_ctx, answer = run.options.integer("new_tokens");
    for (const Needle& needle : needles)
      for (const char* option : {"length_min", "length_max"}) {
        HS_ASSIGN(
            const RetrievalPrompt prompt,
            make_retrieval_prompt(*run.engine.model().tokenizer, haystack, needle,
                                  {run.options.integer(option), 100, run.options.integer("reserve"), uses_chat(run)}));
        const auto length = static_cast<std::int64_t>(prompt.ids.size());
        if (length + answer > n_ctx)
          return make_error(ErrorCode::invalid_argument,
                            "makes a prompt of " + std::to_string(length) + " tokens, which with " +
                                std::to_string(answer) + " new ones pass the model's context of " +
                                std::to_string(n_ctx),
                            {}, std::string("retrieval.") + option);
      }
    return {};
  }

  static Status measure(const DetectorRun& run, const std::vector<std::int64_t>& haystack, RunRecord& record) {
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    HS_ASSIGN(record.prompt,
              make_retrieval_prompt(tokenizer, haystack, record.needle,
                                    {record.length, record.depth, run.options.integer("reserve"), uses_chat(run)}));
    HS_ASSIGN(record.outcome, run_retrieval(run.engine, record.prompt, record.needle.real_needle,
                                            run.options.integer("new_tokens"), run.control.cancel));
    record.kept = record.outcome.rouge > run.options.number("rouge");
    return {};
  }

  static std::vector<float> mean_over(const std::vector<const RunRecord*>& runs, std::size_t heads,
                                      const std::function<double(const RunRecord&, std::size_t)>& value) {
    std::vector<float> out(heads, std::numeric_limits<float>::quiet_NaN());
    if (runs.empty()) return out;
    for (std::size_t i = 0; i < heads; ++i) {
      double sum = 0.0;
      for (const RunRecord* record : runs)
        sum += value(*record, i);
      out[i] = static_cast<float>(sum / static_cast<double>(runs.size()));
    }
    return out;
  }

  // The rank correlation of head scores between the two halves of the runs: whether they show the same heads.
  static double split_correlation(const std::vector<const RunRecord*>& kept, std::size_t heads, bool code) {
    std::vector<double> halves[2] = {std::vector<double>(heads, 0.0), std::vector<double>(heads, 0.0)};
    for (std::size_t i = 0; i < kept.size(); ++i)
      for (std::size_t head = 0; head < heads; ++head)
        halves[i % 2][head] += (code ? kept[i]->outcome.code : kept[i]->outcome.set)[head];
    return rank_correlation(halves[0], halves[1]);
  }

  static DetectorResult summarise(const DetectorRun& run, const std::vector<RunRecord>& records) {
    std::vector<const RunRecord*> kept;
    for (const RunRecord& record : records)
      if (record.kept) kept.push_back(&record);
    const bool code = run.options.text("score") == "code";
    DetectorResult result = empty_result(run.engine);
    const std::size_t heads = result.scores.size();
    result.description = summary;
    result.threshold = run.options.number("threshold");
    result.scores = mean_over(
        kept, heads, [&](const RunRecord& r, std::size_t i) { return (code ? r.outcome.code : r.outcome.set)[i]; });
    result.maps = {
        {code ? "set_score" : "code_score",
         code ? "distinct needle tokens copied" : "every copy counted, as in the authors' code", "1",
         mean_over(kept, heads,
                   [&](const RunRecord& r, std::size_t i) { return (code ? r.outcome.set : r.outcome.code)[i]; })},
        {"active_share", "share of the kept runs in which the head copies at all", "1",
         mean_over(kept, heads, [](const RunRecord& r, std::size_t i) { return r.outcome.code[i] > 0.0 ? 1.0 : 0.0; })},
    };
    result.findings = {{"runs", static_cast<std::int64_t>(records.size())},
                       {"runs_kept", static_cast<std::int64_t>(kept.size())},
                       {"chat", uses_chat(run)}};
    if (kept.size() >= 4) {
      const double correlation = split_correlation(kept, heads, code);
      if (std::isfinite(correlation)) result.findings.push_back({"split_half_rank_correlation", correlation});
    }
    std::vector<RetrievalEvidence> evidence;
    for (const RunRecord* record : kept)
      evidence.push_back({record->length, record->needle.name, code ? &record->outcome.code : &record->outcome.set});
    for (store::Attribute& property : retrieval_properties(evidence, result.threshold))
      result.findings.push_back(std::move(property));
    if (kept.empty())
      result.message = "the model answered from the needle in none of " + std::to_string(records.size()) +
                       " runs; there are no scores";
    else
      result.message = std::to_string(kept.size()) + " of " + std::to_string(records.size()) + " runs kept";
    name_heads(result);
    add_evidence(records, run.engine, result);
    return result;
  }

  static void add_evidence(const std::vector<RunRecord>& records, const Engine& engine, DetectorResult& result) {
    const Tokenizer& tokenizer = *engine.model().tokenizer;
    std::vector<CopyRow> copies;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const RunRecord& record = records[i];
      store::Prompt prompt;
      prompt.id = "retrieval-" + std::to_string(i);
      prompt.text = record.prompt.text;
      prompt.token_ids = record.prompt.ids;
      for (const std::int64_t id : record.prompt.ids)
        prompt.token_pieces.push_back(tokenizer.piece(id));
      result.prompts.push_back(std::move(prompt));
      for (const CopyCounter::Copy& copy : record.outcome.copies)
        copies.push_back({static_cast<std::int64_t>(i), copy});
    }
    result.tables.push_back({"runs", runs_table(records)});
    result.tables.push_back({"copies", copies_table(copies)});
  }
};

} // namespace

std::unique_ptr<Detector> make_retrieval_detector() { return std::make_unique<RetrievalDetector>(); }

} // namespace headscope
