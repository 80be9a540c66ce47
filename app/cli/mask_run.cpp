// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/mask_run.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "app/cli/heads.h"
#include "app/cli/values.h"
#include "core/store/result_file.h"

namespace headscope::cli {
namespace {

std::string variant_label(const MaskingResult& result, std::size_t variant) {
  if (variant == 0) return "clean";
  const auto per_count = static_cast<std::size_t>(result.seeds + 1);
  const std::string count = std::to_string(result.counts[(variant - 1) / per_count]);
  const std::size_t place = (variant - 1) % per_count;
  return place == 0 ? "strongest-" + count : "random-" + count + "-" + std::to_string(place - 1);
}

Result<HeadRanking> from_detector(const std::string& detector, DetectOptions options, const Engine& engine,
                                  const Console& console, store::ResultWriter* writer) {
  options.detectors = detector;
  HS_ASSIGN(const auto plan, plan_detectors(options, console));
  HS_ASSIGN(const DetectorOutcomes outcomes, run_detectors(plan, engine, options.haystack, console, writer));
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
  // Other text than the detectors read for the same seed.
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
  const auto predicted = [&](std::vector<MaskTask> tasks, const char* metric) {
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

std::vector<double> control_means(const MaskingResult& result, std::size_t count) {
  std::vector<double> means;
  for (std::size_t seed = 0; seed < static_cast<std::size_t>(result.seeds); ++seed)
    means.push_back(result.mean(result.control(count, seed)));
  return means;
}

// Every variant but the clean one, a row a head.
store::Table heads_table(const MaskingResult& result) {
  std::vector<std::string> variants, heads;
  for (std::size_t variant = 1; variant < result.heads.size(); ++variant)
    for (const HeadId& head : result.heads[variant]) {
      variants.push_back(variant_label(result, variant));
      heads.push_back(head_name(head));
    }
  store::Table table;
  table.columns = {{"variant", variants, "label", "of the axis of scores"}, {"head", heads, "label", "that it masks"}};
  return table;
}

store::Table answers_table(const MaskingResult& result, const std::vector<MaskTask>& tasks) {
  std::vector<std::string> variants, ids, answers;
  for (std::size_t variant = 0; variant < result.heads.size(); ++variant)
    for (std::size_t task = 0; task < tasks.size(); ++task) {
      variants.push_back(variant_label(result, variant));
      ids.push_back(tasks[task].id);
      answers.push_back(result.answers[variant * tasks.size() + task]);
    }
  store::Table table;
  table.columns = {{"variant", variants, "label", "of the axis of scores"},
                   {"task", ids, "label", "of the axis of scores"},
                   {"answer", answers, "text", "what was generated"}};
  return table;
}

} // namespace

Result<HeadRanking> rank_heads(const std::string& heads, const std::string& detector, const DetectOptions& options,
                               const Engine& engine, const Console& console, store::ResultWriter* writer) {
  if (heads == "detector") return from_detector(detector, options, engine, console, writer);
  std::error_code failed;
  if (std::filesystem::is_regular_file(heads, failed)) return from_file(heads, detector, engine);
  if (heads.ends_with(".h5")) return make_error(ErrorCode::not_found, "does not exist", heads, "--heads");
  HS_ASSIGN(const auto list, parse_heads(heads, engine.config()));
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

Status store_masking(store::ResultWriter& writer, const NamedMasking& masking, const std::vector<MaskTask>& tasks) {
  const MaskingResult& result = masking.result;
  const std::string group = "/masking/" + masking.name;
  const std::int64_t steps = std::ssize(result.counts);
  HS_TRY(writer.set_attributes(group, {{"task", masking.task},
                                       {"method", masking.method},
                                       {"phase", masking.phase},
                                       {"metric", masking.metric},
                                       {"units", masking.units},
                                       {"ranking", masking.ranking},
                                       {"excluded", result.excluded},
                                       {"seeds", result.seeds},
                                       {"clean", result.mean(0)}}));
  std::vector<double> masked, random;
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    masked.push_back(result.mean(result.strongest(step)));
    for (const double value : control_means(result, step))
      random.push_back(value);
  }
  store::ArraySpec spec;
  spec.dtype = store::DType::int64;
  spec.axes = {{"step", {}}};
  spec.shape = {steps};
  spec.units = "head";
  spec.long_name = "how many heads are masked";
  HS_TRY(writer.add_array(group + "/count", spec, std::span<const std::int64_t>(result.counts)));
  spec.dtype = store::DType::float64;
  spec.units = masking.units;
  spec.long_name = masking.metric + " with the strongest heads masked";
  HS_TRY(writer.add_array(group + "/masked", spec, std::span<const double>(masked)));
  spec.axes = {{"step", {}}, {"seed", {}}};
  spec.shape = {steps, result.seeds};
  spec.long_name = masking.metric + " with random heads of the same layers masked";
  HS_TRY(writer.add_array(group + "/random", spec, std::span<const double>(random)));
  std::vector<std::string> variants, ids;
  for (std::size_t variant = 0; variant < result.heads.size(); ++variant)
    variants.push_back(variant_label(result, variant));
  for (const MaskTask& task : tasks)
    ids.push_back(task.id);
  spec.axes = {{"variant", variants}, {"task", ids}};
  spec.shape = {std::ssize(variants), std::ssize(ids)};
  spec.long_name = masking.metric;
  HS_TRY(writer.add_array(group + "/scores", spec, std::span<const double>(result.scores)));
  HS_TRY(writer.add_table(group + "/heads", heads_table(result)));
  if (tasks.front().judge == MaskJudge::log_prob) return {};
  return writer.add_table(group + "/answers", answers_table(result, tasks));
}

nlohmann::json to_json(const NamedMasking& masking) {
  const MaskingResult& result = masking.result;
  nlohmann::json masked = nlohmann::json::array(), random = nlohmann::json::array(), heads = nlohmann::json::array(),
                 moved = nlohmann::json::array();
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    masked.push_back(number(result.mean(result.strongest(step))));
    nlohmann::json seeds = nlohmann::json::array();
    std::int64_t moves = 0;
    for (std::size_t seed = 0; seed < static_cast<std::size_t>(result.seeds); ++seed) {
      seeds.push_back(number(result.mean(result.control(step, seed))));
      moves += result.moved[result.control(step, seed)];
    }
    random.push_back(std::move(seeds));
    moved.push_back(moves);
  }
  for (const HeadId& head : result.heads[result.strongest(result.counts.size() - 1)])
    heads.push_back(head_name(head));
  return {{"name", masking.name},
          {"task", masking.task},
          {"method", masking.method},
          {"phase", masking.phase},
          {"metric", masking.metric},
          {"units", masking.units},
          {"tasks", result.n_tasks},
          {"ranking", masking.ranking},
          {"heads", heads},
          {"counts", result.counts},
          {"clean", number(result.mean(0))},
          {"masked", masked},
          {"random", random},
          {"excluded", result.excluded},
          {"moved", moved},
          {"complete", result.complete}};
}

std::string masking_table(const NamedMasking& masking) {
  const MaskingResult& result = masking.result;
  std::vector<std::vector<std::string>> lines = {{"heads masked", "strongest", "random", "random from", "to"}};
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    const auto [low, high] = result.control_range(step);
    lines.push_back({std::to_string(result.counts[step]), fixed(result.mean(result.strongest(step)), 4),
                     fixed(result.control_mean(step), 4), fixed(low, 4), fixed(high, 4)});
  }
  return masking.task + ", " + masking.method + ", " + masking.phase + ": " + masking.metric + " over " +
         std::to_string(result.n_tasks) + " tasks; with nothing masked " + fixed(result.mean(0), 4) + "\n" +
         aligned(lines);
}

} // namespace headscope::cli
