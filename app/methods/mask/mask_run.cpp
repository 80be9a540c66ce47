// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/mask/mask_run.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/prompts/retrieval_prompt.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

Result<HeadRanking> from_detector(const std::string& detector, DetectOptions options, const Engine& engine,
                                  const Context& context, store::ResultWriter* writer) {
  options.detectors = {detector};
  note_refused_plugins(context);
  HS_ASSIGN(const auto plan, plan_detectors(options));
  HS_ASSIGN(const DetectorOutcomes outcomes, run_detectors(plan, engine, options.haystack, context, writer));
  if (outcomes.refused) return *outcomes.refused;
  if (outcomes.failed) return *outcomes.failed;
  if (!outcomes.complete) return make_error(ErrorCode::cancelled, "interrupted before the heads were ranked");
  HeadRanking ranking{{}, "detector " + detector};
  if (outcomes.list.size() == 1 && outcomes.list[0].result)
    ranking.heads = ranked_heads(outcomes.list[0].result->scores, engine.config().n_heads);
  return ranking;
}

Result<HeadRanking> from_file(const std::string& path, const std::string& detector, const Engine& engine) {
  HS_ASSIGN(const auto reader, store::ResultReader::open(path));
  HS_ASSIGN(const store::DetectorScores scores, reader.scores(detector));
  if (scores.n_layers != engine.config().n_layers || scores.n_heads != engine.config().n_heads)
    return make_error(ErrorCode::mismatch,
                      "is of a model of " + std::to_string(scores.n_layers) + " layers of " +
                          std::to_string(scores.n_heads) + " heads",
                      path, "detectors/" + detector);
  return HeadRanking{ranked_heads(scores.scores, scores.n_heads),
                     std::filesystem::path(path).filename().string() + ", detector " + detector};
}

std::string haystack_of(const MaskTaskOptions& options, std::size_t bytes) {
  // Uses other text than the detectors read for the same seed.
  return generated_haystack(options.seed + 1, bytes);
}

Result<std::string> read_haystack(const MaskTaskOptions& options, std::size_t bytes) {
  if (options.haystack.empty()) return haystack_of(options, bytes);
  return load_haystack(options.haystack);
}

Status add_sets(const std::string& name, const Engine& engine, const MaskTaskOptions& options,
                std::vector<MaskSet>& sets) {
  const Tokenizer& tokenizer = *engine.model().tokenizer;
  const auto count = [&](std::int64_t usual) { return options.count > 0 ? options.count : usual; };
  const auto predicted = [&](std::vector<MaskPrompt> tasks, const char* metric) {
    sets.push_back({name, metric, "nat", Phase::both, std::move(tasks)});
  };
  if (name == "needle") {
    NeedleTaskOptions needle = options.needle;
    needle.chat = uses_chat(tokenizer, options.chat);
    HS_ASSIGN(const std::string text,
              read_haystack(options, static_cast<std::size_t>(std::max(needle.length_min, needle.length_max) * 8)));
    HS_ASSIGN(auto tasks, needle_tasks(tokenizer, text, needle));
    sets.push_back({name, "ROUGE-1 recall of the answer", "1", Phase::decode, std::move(tasks)});
  } else if (name == "repeated") {
    HS_ASSIGN(auto tasks, repeated_token_tasks(tokenizer, engine.config().d_vocab, count(8), 50, options.seed));
    predicted(std::move(tasks), "mean log-probability of the second writing");
  } else if (name == "ordinal") {
    HS_ASSIGN(auto tasks, ordinal_tasks(tokenizer));
    predicted(std::move(tasks), "log-probability of the next word of the list");
  } else if (name == "ioi") {
    HS_ASSIGN(auto tasks, ioi_tasks(tokenizer, count(16), options.seed));
    predicted(std::move(tasks), "log-probability of the right name over the wrong one");
  } else if (name == "text") {
    constexpr std::int64_t length = 128;
    HS_ASSIGN(const std::string text, read_haystack(options, static_cast<std::size_t>(count(8) * length * 8)));
    HS_ASSIGN(auto tasks, text_tasks(tokenizer, text, count(8), length));
    predicted(std::move(tasks), "mean log-probability of the text");
  } else if (name == "cot") {
    HS_ASSIGN(auto tasks, reasoning_tasks(tokenizer, count(20), 4, options.seed));
    sets.push_back({"cot_direct", "share of right answers", "1", Phase::decode, std::move(tasks.direct)});
    sets.push_back({"cot_chain", "share of right answers", "1", Phase::decode, std::move(tasks.chain)});
  } else {
    return make_error(ErrorCode::invalid_argument,
                      "must be of needle, repeated, ordinal, ioi, text and cot, not '" + name + "'", {}, "--task");
  }
  return {};
}

} // namespace

Result<HeadRanking> rank_heads(const std::string& heads, const std::string& detector, const DetectOptions& options,
                               const Engine& engine, const Context& context, store::ResultWriter* writer) {
  if (heads == "detector") return from_detector(detector, options, engine, context, writer);
  std::error_code failed;
  if (std::filesystem::is_regular_file(heads, failed)) return from_file(heads, detector, engine);
  if (heads.ends_with(".h5")) return make_error(ErrorCode::not_found, "does not exist", heads, "--heads");
  HS_ASSIGN(const auto list, parse_heads(heads, engine.config().n_layers, engine.config().n_heads));
  return HeadRanking{list, "list"};
}

Result<std::vector<MaskSet>> make_mask_sets(const Engine& engine, const MaskTaskOptions& options) {
  std::vector<MaskSet> sets;
  std::istringstream names(options.names);
  for (std::string name; std::getline(names, name, ',');)
    HS_TRY(add_sets(name, engine, options, sets));
  if (sets.empty()) return make_error(ErrorCode::invalid_argument, "names no task", {}, "--task");
  return sets;
}

} // namespace headscope::methods
