// SPDX-License-Identifier: GPL-3.0-or-later
// Published numbers are those of the papers named with each experiment.
#include "app/methods/reproduce/reproduce_runs.h"

#include <algorithm>
#include <cmath>

#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/mask/mask_run.h"
#include "app/methods/reproduce/reproduce_parts.h"
#include "core/circuits/path_patching.h"
#include "core/prompts/tasks/ioi.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

// ---- Shared by the experiments

std::string strongest(const std::vector<float>& scores, std::int64_t n_heads, std::size_t most, int digits) {
  std::string text;
  const std::vector<HeadId> order = ranked_heads(scores, n_heads);
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i)
    text += (i ? ", " : "") + head_name(order[i]) + " " +
            fixed(scores[static_cast<std::size_t>(order[i].layer * n_heads + order[i].head)], digits);
  return text;
}

std::string list_of(const std::vector<HeadId>& heads) {
  std::string text;
  for (const HeadId& head : heads)
    text += (text.empty() ? "" : " ") + head_name(head);
  return text.empty() ? "none" : text;
}

// ---- Wu et al. 2404.15574: retrieval heads

std::vector<std::string> retrieval_settings(const Engine& engine, bool full) {
  if (!full) return {};
  const std::int64_t longest = std::min<std::int64_t>(50000, engine.config().n_ctx - 60);
  return {"retrieval.length_min=" + std::to_string(std::min<std::int64_t>(1000, longest / 2)),
          "retrieval.length_max=" + std::to_string(longest), "retrieval.lengths=20", "retrieval.depths=10",
          "retrieval.score=code"};
}

ReproducedRow retrieval_share(const DetectorResult& result, const std::string& what, const std::string& published) {
  return {what, published, share_text(std::ssize(result.heads), result.scores.size()), {}};
}

// Measures needle answers and chains of thought with 5 and 10 % of the heads masked.
Result<bool> mask_rows(const Engine& engine, const DetectorResult& retrieval, const ReproduceOptions& options,
                       const Context& context, std::vector<ReproducedRow>& rows) {
  const std::vector<HeadId> ranking = ranked_heads(retrieval.scores, engine.config().n_heads);
  const auto twentieth = std::max<std::int64_t>(1, std::ssize(retrieval.scores) / 20);
  MaskTaskOptions tasks;
  tasks.names = "needle,cot";
  tasks.haystack = options.haystack;
  HS_ASSIGN(const auto sets, make_mask_sets(engine, tasks));
  for (const MaskSet& set : sets) {
    MaskingOptions masking;
    masking.counts = {twentieth, 2 * twentieth};
    HS_ASSIGN(const MaskingResult result, run_masking(engine, set.tasks, ranking, masking, context.control()));
    context.finish_progress();
    if (!result.complete) return false;
    const bool needle = set.task == "needle";
    const std::string what = needle                    ? "needle answers (recall)"
                             : set.task == "cot_chain" ? "with chain of thought (right)"
                                                       : "answered directly (right)";
    rows.push_back({what + ", nothing masked", needle ? "56.7 (F1)" : "", number(result.mean(0)), {}});
    for (std::size_t step = 0; step < 2; ++step) {
      const std::string masked = std::to_string(result.counts[step]);
      rows.push_back({what + ", " + masked + " masked",
                      needle ? (step == 0 ? "47.5 (50)" : "32.3 (100)") : "",
                      number(result.mean(result.strongest(step))),
                      {}});
      rows.push_back({what + ", " + masked + " random",
                      needle ? (step == 0 ? "55.7 (50)" : "55.4 (100)") : "",
                      number(result.control_mean(step)),
                      {}});
    }
  }
  return true;
}

Status universal_rows(const ReproduceOptions& options, const Context& context, std::vector<ReproducedRow>& rows) {
  for (const std::string& path : options.also) {
    ModelOptions other;
    other.model = path;
    HS_ASSIGN(const auto model, load(other, context, true));
    const Engine engine(model);
    HS_ASSIGN(const auto found,
              detected(engine, "retrieval", retrieval_settings(engine, options.full), options.haystack, context));
    if (found) rows.push_back(retrieval_share(*found, "retrieval heads of " + model->identity.name, ""));
  }
  return {};
}

Result<Reproduction> wu2024(const Engine& engine, const ReproduceOptions& options, const Context& context) {
  Reproduction out{
      "Wu et al. 2024, arXiv 2404.15574, retrieval heads",
      std::string("Needles in a haystack, ") +
          (options.full ? "20 lengths, 10 depths" : "3 lengths, 3 depths (--full: 20 and 10)") +
          "; heads masked by uniform attention at decode steps; published masking is of Mistral-7B-v0.2 on ExtractQA",
      {{"Llama-2-7B-80K", 32, 32, 4096}, {"Mistral-7B-v0.2", 32, 32, 4096}, {"Qwen1.5-14B", 40, 40, 5120}},
      {}};
  HS_ASSIGN(const auto found,
            detected(engine, "retrieval", retrieval_settings(engine, options.full), options.haystack, context));
  if (!found) return make_error(ErrorCode::unsupported, "has no tokenizer to read text with", {}, "model");
  const std::int64_t n_heads = engine.config().n_heads;
  out.complete = found->complete;
  out.rows = {retrieval_share(*found, "sparse: heads with a score of at least 0.1", "33 of 1024 (3.2 %)")};
  const auto zero = std::count(found->scores.begin(), found->scores.end(), 0.0F);
  const bool scored = finding(*found, "runs_kept") != 0;
  out.rows.push_back({"sparse: heads with score 0",
                      "719 of 1024 (70.2 %)",
                      scored ? nlohmann::json(share_text(zero, found->scores.size())) : nlohmann::json(),
                      {}});
  out.rows.push_back({"strongest", "16.19 .943, 11.15 .920, 8.26 .800", strongest(found->scores, n_heads, 3, 3),
                      "layers and heads are the model's own"});
  out.rows.push_back({"dynamic: heads that copy in every run", "12", finding(*found, "heads_always_active"), {}});
  out.rows.push_back({"dynamic: heads that copy in some runs", "", finding(*found, "heads_sometimes_active"), {}});
  out.rows.push_back(
      {"intrinsic: rank correlation between lengths", "", finding(*found, "length_rank_correlation"), {}});
  out.rows.push_back(
      {"intrinsic: rank correlation between needles", "", finding(*found, "needle_rank_correlation"), {}});
  out.rows.push_back(
      {"runs answered from the needle", "", finding(*found, "runs_kept"), "of " + finding(*found, "runs").dump()});
  if (!scored || !out.complete) return out;
  HS_ASSIGN(out.complete, mask_rows(engine, *found, options, context, out.rows));
  HS_TRY(universal_rows(options, context, out.rows));
  return out;
}

// ---- Gould et al. 2312.09230: successor heads

Result<Reproduction> gould2023(const Engine& engine, const ReproduceOptions&, const Context& context) {
  Reproduction out{"Gould et al. 2023, arXiv 2312.09230, successor heads",
                   "Share of ordinal pairs s -> s+1 that the OV circuit gets right from MLP0(W_E[s])",
                   {{"Pythia-1.4B", 24, 16, 2048}},
                   {}};
  HS_ASSIGN(const auto found, detected(engine, "successor", {}, {}, context));
  if (!found) return make_error(ErrorCode::unsupported, "has no MLP in block 0, or no tokenizer", {}, "model");
  out.complete = found->complete;
  const std::int64_t n_heads = engine.config().n_heads;
  std::vector<float> sorted = found->scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  out.rows = {
      {"strongest heads", "12.0 (Pythia-1.4B), 9.1 (GPT-2 small)", strongest(found->scores, n_heads, 3, 3), {}},
      {"strongest over the runner-up",
       "about 8",
       sorted.size() > 1 && sorted[1] > 0.0F ? number(static_cast<double>(sorted[0]) / static_cast<double>(sorted[1]))
                                             : nlohmann::json(),
       {}},
      {"pairs of single tokens", "", finding(*found, "pairs"), "numbers: " + finding(*found, "pairs_numbers").dump()}};
  const nlohmann::json shift = finding(*found, "shift");
  out.rows.push_back({"mod-10 arithmetic: successors shifted, 20 to 29", "0.89",
                      shift.is_number() ? shift : nlohmann::json(),
                      shift.is_string() ? shift.get<std::string>() : std::string()});
  for (const store::Attribute& entry : found->findings)
    if (entry.name.rfind("probe_", 0) == 0)
      out.rows.push_back(
          {"mod-10 probe: accuracy on " + entry.name.substr(6), "", finding(*found, entry.name), "chance 0.1"});
  return out;
}

// ---- Wang et al. 2211.00593: indirect objects

std::string published_ioi(const std::vector<std::string>& heads) {
  std::string text;
  for (const std::string& head : heads)
    text += (text.empty() ? "" : " ") + head;
  return text;
}

Result<PathEffects> direct_effects(const Engine& engine, const ComputationalGraph& graph, std::vector<PatchPair> pairs,
                                   const Context& context) {
  CircuitTask task;
  task.pairs = std::move(pairs);
  PathOptions paths;
  paths.receivers = {graph.receiver(ReceiverKind::logits, -1, -1)};
  auto effects = patch_paths(engine, graph, task, paths, context.control());
  context.finish_progress();
  return effects;
}

// Ranks senders by 100 (LD' - LD) / LD, the most negative first, or the most positive.
std::string by_effect(const PathEffects& found, const ComputationalGraph& graph, double sign, std::size_t most) {
  std::vector<double> effects;
  for (std::size_t i = 0; i < found.senders.size(); ++i)
    effects.push_back(sign * found.mean(i));
  const std::vector<std::size_t> order = strongest_first(effects, Rank::highest);
  std::string text;
  const double clean = mean_over(found.clean);
  for (std::size_t i = 0; i < std::min(most, order.size()) && effects[order[i]] > 0.0; ++i) {
    const Sender& sender = graph.senders()[static_cast<std::size_t>(found.senders[order[i]])];
    text += (i ? ", " : "") + head_name({sender.layer, sender.head}) + " " +
            fixed(100.0 * found.mean(order[i]) / clean, 1) + " %";
  }
  return text.empty() ? "none" : text;
}

std::int64_t pair_count(const ReproduceOptions& options) { return options.prompts.value_or(options.full ? 100 : 24); }

// Measures how many names are copied by the OV circuits of the heads with the strongest direct effect, against all
// heads.
Status copy_rows(const Engine& engine, const ReproduceOptions& options, const Context& context, Reproduction& out) {
  HS_ASSIGN(const auto found,
            detected(engine, "name_mover", {"name_mover.prompts=" + std::to_string(pair_count(options))}, {}, context));
  if (!found) return {};
  out.complete = found->complete;
  const auto map = std::find_if(found->maps.begin(), found->maps.end(),
                                [](const ScoreMap& each) { return each.name == "copy_score"; });
  if (map == found->maps.end()) return {};
  const auto at = [&](const HeadId& head) {
    return static_cast<std::size_t>(head.layer * engine.config().n_heads + head.head);
  };
  std::vector<double> movers;
  std::string each;
  for (const HeadId& head : ranked_heads(found->scores, engine.config().n_heads)) {
    if (movers.size() == 3 || !(found->scores[at(head)] > 0.0F)) break;
    movers.push_back(map->values[at(head)]);
    each += (each.empty() ? "" : ", ") + head_name(head) + " " + fixed(movers.back(), 2);
  }
  out.rows.push_back({"copy score of these name movers, mean", "above .95",
                      movers.empty() ? nlohmann::json() : number(mean_over(movers)), each});
  out.rows.push_back({"copy score of a head, mean over all", "below .20",
                      number(mean_over({map->values.begin(), map->values.end()})),
                      "share of names among the five largest logits of the head's OV circuit"});
  return {};
}

Result<Reproduction> ioi(const Engine& engine, const ReproduceOptions& options, const Context& context) {
  Reproduction out{"Wang et al. 2022, arXiv 2211.00593, indirect object identification",
                   std::to_string(pair_count(options)) +
                       " prompts against three other names (ABC); direct effect: path "
                       "patching from a head to the logits, 100 (LD' - LD) / LD",
                   {{"GPT-2 small", 12, 12, 768}},
                   {}};
  IoiOptions prompts;
  prompts.count = pair_count(options);
  HS_ASSIGN(const IoiTask task, make_ioi_task(*engine.model().tokenizer, prompts));
  const ComputationalGraph graph(graph_shape(engine.config()));
  HS_ASSIGN(const PathEffects effects, direct_effects(engine, graph, patch_pairs(task, IoiCorruption::abc), context));
  out.complete = effects.complete;
  const auto right = std::count_if(effects.clean.begin(), effects.clean.end(), [](double ld) { return ld > 0.0; });
  out.rows = {
      {"logit difference, mean", "", number(mean_over(effects.clean)), {}},
      {"prompts with the right name above the wrong", "", share_text(right, effects.clean.size()), {}},
      {"name movers, by direct effect", published_ioi({"9.9", "10.0", "9.6"}), by_effect(effects, graph, -1.0, 3), {}},
      {"negative name movers, by direct effect",
       published_ioi({"10.7", "11.10"}),
       by_effect(effects, graph, 1.0, 2),
       {}}};
  if (out.complete) HS_TRY(copy_rows(engine, options, context, out));
  const struct {
    const char *id, *what, *published;
  } patterns[] = {{"induction", "induction heads", "5.5 5.8 5.9 6.9"},
                  {"duplicate", "duplicate-token heads", "0.1 0.10 3.0"},
                  {"previous", "previous-token heads", "2.2 4.11"}};
  for (const auto& pattern : patterns) {
    if (!out.complete) break;
    HS_ASSIGN(const auto found, detected(engine, pattern.id, {}, {}, context));
    if (!found) continue;
    out.complete = found->complete;
    out.rows.push_back({pattern.what, pattern.published, list_of(found->heads), "by stripe score on random tokens"});
  }
  return out;
}

// ---- Gu et al. 2410.10781: attention sinks

Result<Reproduction> gu2025(const Engine& engine, const ReproduceOptions& options, const Context& context) {
  Reproduction out{"Gu et al. 2025, arXiv 2410.10781, attention sinks",
                   "Sink_k: share of (text, layer, head) with alpha_k > 0.3, T = 64; " +
                       std::string(options.full ? "100 texts" : "20 texts (--full: 100)"),
                   {{"GPT2-XL", 48, 25, 1600},
                    {"Mistral-7B", 32, 32, 4096},
                    {"Llama-2-7B", 32, 32, 4096},
                    {"Llama-3-8B", 32, 32, 4096}},
                   {}};
  HS_ASSIGN(const auto found,
            detected(engine, "sink", {options.full ? "sink.texts=100" : "sink.texts=20"}, options.haystack, context));
  if (!found) return make_error(ErrorCode::unsupported, "has no tokenizer to read text with", {}, "model");
  out.complete = found->complete;
  const nlohmann::json rate = finding(*found, "sink_1");
  out.rows = {{"Sink_1 in %, natural text",
               "77.00 (GPT2-XL), 97.49 (Mistral-7B), 92.47 (Llama-2-7B), 99.02 (Llama-3-8B)",
               rate.is_number() ? number(100.0 * rate.get<double>()) : nlohmann::json(),
               {}}};
  const auto& columns = found->tables.front().table.columns;
  const auto& rates = std::get<std::vector<double>>(columns[1].values);
  for (const std::size_t k : {std::size_t{1}, std::size_t{2}})
    out.rows.push_back({"Sink_" + std::to_string(k + 1) + " in %", "", number(100.0 * rates[k]), {}});
  out.rows.push_back({"heads that are sinks in at least half of the texts",
                      "",
                      share_text(std::ssize(found->heads), found->scores.size()),
                      {}});
  return out;
}

} // namespace

const std::vector<NamedExperiment>& experiments() {
  static const std::vector<NamedExperiment> list = {{"wu2024", "Wu et al. 2404.15574", wu2024},
                                                    {"gould2023", "Gould et al. 2312.09230", gould2023},
                                                    {"ioi", "Wang et al. 2211.00593", ioi},
                                                    {"merullo2024", "Merullo et al. 2310.08744", merullo2024},
                                                    {"gu2025", "Gu et al. 2410.10781", gu2025}};
  return list;
}

bool is_published(const ModelConfig& config, const std::vector<PublishedModel>& models) {
  return std::any_of(models.begin(), models.end(), [&](const PublishedModel& model) {
    return config.n_layers == model.n_layers && config.n_heads == model.n_heads && config.d_model == model.d_model;
  });
}

} // namespace headscope::methods
