// SPDX-License-Identifier: GPL-3.0-or-later
// Successor heads (Gould et al. 2312.09230): heads whose OV circuit turns "Monday" into "Tuesday", from the weights
// alone: x_t = MLP0(W_E[t]); M[s,t] = x_s W_V W_O W_U[:,t].
#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/prompts/ordinal_lists.h"
#include "core/store/column_values.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/effective_embedding.h"
#include "plugins/detectors/successor_features.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Share of ordinal pairs s -> s+1 for which the head's OV circuit, fed MLP0(embedding of s), "
    "raises s+1 above every other word of the list";

// Successes of one list [layer, head].
struct ListScore {
  const TokenList* list = nullptr;
  at::Tensor x; // effective embedding of its words [word, d_model]; undefined without pairs
  std::vector<double> successes;
};

class SuccessorDetector : public Detector {
public:
  std::string id() const override { return "successor"; }
  std::string title() const override { return "Successor heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "Gould et al. 2023, arXiv 2312.09230"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.5, "heads with at least this share of pairs are named", {}, 0.0},
        {"ln2", false, "apply block 0's norm before (and, where there is one, after) its MLP"},
        {"residual", false, "add the embedding itself to the MLP's output"},
        {"biases", false, "include b_V and b_O"},
        {"final_norm", false, "apply the final norm before the unembedding"},
        {"probe", true, "a linear probe of the place modulo 10 in MLP0's output"},
        {"ridge", 0.01, "penalty of the probe, in mean squared norms of the embeddings", {}, 0.0},
        {"shift_from", std::int64_t{20}, "first number whose mod-10 feature is exchanged", {}, 1},
        {"shift_to", std::int64_t{29}, "last of them", {}, 1},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.config().has_mlp())
      return make_error(ErrorCode::unsupported, "the model has no MLP in block 0", {}, id());
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read words with", {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding successor heads", [&] { return measure(run); });
  }

private:
  static Result<DetectorResult> measure(const DetectorRun& run) {
    std::vector<TokenList> lists;
    for (const OrdinalList& list : ordinal_lists())
      lists.push_back(tokenise_list(list, *run.engine.model().tokenizer));
    std::vector<ListScore> scores;
    DetectorResult result = empty_result(run.engine);
    for (const TokenList& list : lists) {
      ListScore score{&list, {}, std::vector<double>(result.scores.size(), 0.0)};
      if (!list.pairs.empty())
        score.x = effective_embedding(run.engine.model(), at::tensor(list.tokens, at::kLong), embedding(run.options));
      scores.push_back(std::move(score));
    }
    std::int64_t layers = 0;
    for (; layers < result.n_layers && !run.control.cancel.cancelled(); ++layers) {
      run.control.report("successor heads", layers, result.n_layers);
      for (ListScore& score : scores)
        measure_layer(run, static_cast<int>(layers), score);
    }
    run.control.report("successor heads", layers, result.n_layers);
    if (layers == 0) return make_error(ErrorCode::cancelled, "successor heads were cancelled");
    result.complete = layers == result.n_layers;
    summarise(run, scores, layers, result);
    if (result.complete) add_features(run, scores, result);
    return result;
  }

  // Adds mod-10 structure: what a linear probe reads, and the effect of exchanging features on the strongest head.
  static void add_features(const DetectorRun& run, const std::vector<ListScore>& scores, DetectorResult& result) {
    std::vector<PlacedList> lists;
    for (const ListScore& score : scores)
      if (score.list->tokens.size() >= 2)
        lists.push_back({score.list->name, score.list->tokens, score.list->places,
                         effective_embedding(run.engine.model(), at::tensor(score.list->tokens, at::kLong),
                                             embedding(run.options))});
    if (run.options.flag("probe")) add_probe(mod10_probe(lists, run.options.number("ridge")), result);
    const auto best = std::max_element(result.scores.begin(), result.scores.end()) - result.scores.begin();
    const auto layer = static_cast<int>(best / result.n_heads), head = static_cast<int>(best % result.n_heads);
    std::vector<ShiftedSuccessor> shifted;
    if (!lists.empty() && lists.front().name == "numbers")
      shifted = shifted_successors(run.engine.model(), lists.front(), layer, head, run.options.integer("shift_from"),
                                   run.options.integer("shift_to"), run.options.flag("biases"),
                                   run.options.flag("final_norm"));
    if (shifted.empty()) {
      result.findings.push_back({"shift", std::string("not testable: the numbers are not single tokens")});
      return;
    }
    add_shifts(shifted, head_name({layer, head}), result);
  }

  static void add_probe(const std::vector<ProbeScore>& probe, DetectorResult& result) {
    for (const ProbeScore& score : probe)
      result.findings.push_back({"probe_" + score.tested_on, score.accuracy});
    const auto column = [&](auto member) { return store::column_values(probe, member); };
    store::Table table;
    table.columns = {
        {"trained_on", column(&ProbeScore::trained_on), "", "lists"},
        {"tested_on", column(&ProbeScore::tested_on), "", "list"},
        {"examples", column(&ProbeScore::examples), "1", "words tested"},
        {"accuracy", column(&ProbeScore::accuracy), "1", "share whose place modulo 10 is read rightly; chance is 0.1"}};
    result.tables.push_back({"mod10_probe", std::move(table)});
  }

  static void add_shifts(const std::vector<ShiftedSuccessor>& shifted, const std::string& head,
                         DetectorResult& result) {
    const auto right = static_cast<double>(std::count_if(
        shifted.begin(), shifted.end(), [](const ShiftedSuccessor& shift) { return shift.got == shift.expected; }));
    using Shift = ShiftedSuccessor;
    const auto column = [&](std::int64_t Shift::*member) { return store::column_values(shifted, member); };
    result.findings.push_back({"shift_head", head});
    result.findings.push_back({"shift", right / static_cast<double>(shifted.size())});
    store::Table table;
    table.columns = {{"number", column(&Shift::number), "1", "whose feature is exchanged"},
                     {"digit", column(&Shift::digit), "1", "the feature put in"},
                     {"expected", column(&Shift::expected), "1", "the successor then"},
                     {"got", column(&Shift::got), "1", "the number that the head raises most"}};
    result.tables.push_back({"shifted_successors", std::move(table)});
  }

  static EffectiveEmbedding embedding(const OptionSet& options) {
    return {options.flag("ln2"), options.flag("residual")};
  }

  static void measure_layer(const DetectorRun& run, int layer, ListScore& score) {
    const TokenList& list = *score.list;
    if (list.pairs.empty()) return;
    const Model& model = run.engine.model();
    const at::Tensor written = head_outputs(model, layer, score.x, run.options.flag("biases")); // [head, word, d_model]
    const at::Tensor scores =
        read_out(model, written, at::tensor(list.tokens, at::kLong), run.options.flag("final_norm"));
    const at::Tensor best = scores.argmax(2).cpu(); // [head, word]
    const auto best_of = best.accessor<std::int64_t, 2>();
    const std::int64_t n_heads = model.config.n_heads;
    for (std::int64_t head = 0; head < n_heads; ++head)
      for (const OrdinalPair& pair : list.pairs)
        if (best_of[head][pair.from] == pair.to)
          score.successes[static_cast<std::size_t>(layer * n_heads + head)] += 1.0;
  }

  static void summarise(const DetectorRun& run, const std::vector<ListScore>& scores, std::int64_t layers,
                        DetectorResult& result) {
    const auto measured = static_cast<std::size_t>(layers * result.n_heads);
    std::vector<double> pooled(result.scores.size(), 0.0);
    std::size_t pairs = 0;
    std::vector<std::string> dropped;
    for (const ListScore& score : scores) {
      const std::size_t count = score.list->pairs.size();
      if (!score.list->held_out) pairs += count;
      for (const std::string& pair : score.list->dropped)
        dropped.push_back(score.list->name + ": " + pair);
      result.findings.push_back({"pairs_" + score.list->name, static_cast<std::int64_t>(count)});
      if (count == 0) continue;
      ScoreMap map{"list_" + score.list->name,
                   std::string("share of pairs in the list ") + score.list->name +
                       (score.list->held_out ? " (held out, not pooled)" : ""),
                   "1", std::vector<float>(result.scores.size(), std::numeric_limits<float>::quiet_NaN())};
      for (std::size_t i = 0; i < measured; ++i) {
        map.values[i] = static_cast<float>(score.successes[i] / static_cast<double>(count));
        if (!score.list->held_out) pooled[i] += score.successes[i];
      }
      result.maps.push_back(std::move(map));
    }
    for (std::size_t i = 0; i < measured && pairs > 0; ++i)
      result.scores[i] = static_cast<float>(pooled[i] / static_cast<double>(pairs));
    result.description = summary;
    result.threshold = run.options.number("threshold");
    result.findings.push_back({"effective_embedding", describe_embedding(run.engine.config(), embedding(run.options))});
    result.findings.push_back({"pairs", static_cast<std::int64_t>(pairs)});
    result.findings.push_back({"dropped", dropped});
    if (pairs == 0)
      result.message = "no word of any ordinal list is a single token of this tokenizer; there are no scores";
    else if (!dropped.empty())
      result.message = std::to_string(dropped.size()) + " pairs are not single tokens and were dropped; " +
                       std::to_string(pairs) + " are left";
    name_heads(result);
  }
};

} // namespace

std::unique_ptr<Detector> make_successor_detector() { return std::make_unique<SuccessorDetector>(); }

} // namespace headscope
