// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/compare/compare_report.h"

#include <algorithm>

#include "app/methods/base/values.h"

namespace headscope::methods {
namespace {

using mechanisms::HeadMeasures;

// A measure of every head: how it is called, what it is, and where it is kept.
struct Measure {
  const char* name;
  const char* units;
  const char* what;
  std::vector<double> HeadMeasures::*values;
};
constexpr Measure measures[] = {
    {"mass_kept", "1", "share of full attention's weight that lies on visited keys", &HeadMeasures::mass_kept},
    {"pattern_kl", "nat", "KL(the mechanism's pattern || full attention's)", &HeadMeasures::kl},
    {"z_error", "1", "norm of z minus full attention's z, over the norm of that", &HeadMeasures::z_error},
    {"overlap", "1", "share of the keys with the largest scores, as many as are visited, that are visited",
     &HeadMeasures::overlap},
    {"keys", "token", "keys attended by a query", &HeadMeasures::keys}};

// What the forms that ran count, over all queries and the heads that a mechanism changes.
struct Counter {
  const char* name;
  const char* units;
  const char* what;
  std::int64_t AttentionCost::*value;
};
constexpr Counter counters[] = {
    {"keys_scored", "1", "products of a query with a key, or with what stands for keys", &AttentionCost::scored},
    {"keys_attended", "1", "keys of queries that have a weight", &AttentionCost::attended},
    {"bytes_read", "B", "keys, values and states, as if each query read them by itself", &AttentionCost::bytes}};

nlohmann::json to_json(const Survival& survival) {
  nlohmann::json heads = nlohmann::json::array();
  for (const Survival::Head& each : survival.heads)
    heads.push_back({{"head", head_name(each.head)},
                     {"full", number(each.full)},
                     {"own", number(each.own)},
                     {"named_by_full", each.named_by_full},
                     {"named", each.named}});
  nlohmann::json json = {{"detector", survival.detector},
                         {"named_by_full", survival.named_by_full()},
                         {"kept", survival.kept()},
                         {"added", survival.added()},
                         {"heads", heads}};
  if (!survival.skipped.empty()) json["skipped"] = survival.skipped;
  return json;
}

nlohmann::json to_json(const MechanismResult& result, const Comparison& all) {
  if (result.lengths.empty()) return nullptr; // interrupted before it
  const MechanismResult::AtLength& whole = result.lengths.back();
  nlohmann::json json = {{"attention", result.attention},
                         {"nll", number(whole.predictions.nll)},
                         {"kl", number(whole.predictions.kl)},
                         {"seconds", number(whole.seconds)}};
  for (const MechanismResult::AtLength& at : result.lengths)
    json["lengths"].push_back({{"tokens", at.tokens},
                               {"nll", number(at.predictions.nll)},
                               {"kl", number(at.predictions.kl)},
                               {"seconds", number(at.seconds)}});
  for (const MechanismResult::Needle& needle : result.needles)
    json["needles"].push_back({{"tokens", needle.tokens}, {"depth", needle.depth}, {"nll", number(needle.nll)}});
  if (result.efficiency_length) json["efficiency_length"] = number(*result.efficiency_length);
  if (result.index) json["compositional_index"] = number(*result.index);
  for (const Survival& each : result.survival)
    json["detectors"].push_back(to_json(each));
  if (result.heads.keys.empty()) return json;
  for (const Counter& counter : counters)
    json[counter.name] = result.heads.cost.*counter.value;
  for (const Measure& measure : measures) {
    const std::vector<double>& values = result.heads.*measure.values;
    json[measure.name] = number(mean_over(values));
    json["heads"][measure.name] =
        matrix(values, static_cast<std::size_t>(all.n_layers), static_cast<std::size_t>(all.n_heads));
  }
  return json;
}

std::string mean_text(const std::vector<double>& values, int digits) {
  return values.empty() ? "-" : fixed(mean_over(values), digits);
}

// Full attention first and no attention last, around what was asked for.
std::vector<MechanismResult> rows_of(const Comparison& comparison) {
  std::vector<MechanismResult> rows = {comparison.full};
  rows.insert(rows.end(), comparison.mechanisms.begin(), comparison.mechanisms.end());
  rows.push_back(comparison.floor);
  return rows;
}

std::string needles_text(const Comparison& comparison) {
  if (comparison.full.needles.empty()) return {};
  std::vector<std::vector<std::string>> lines = {{"attention", "tokens", "depth", "answer nll"}};
  for (const MechanismResult& each : rows_of(comparison))
    for (const MechanismResult::Needle& needle : each.needles)
      lines.push_back({each.attention, std::to_string(needle.tokens), fixed(needle.depth, 2), fixed(needle.nll, 3)});
  return "\n" + aligned(lines);
}

std::string survival_text(const Comparison& comparison) {
  std::vector<std::vector<std::string>> lines = {{"attention", "detector", "named by full", "kept", "added", "lost"}};
  for (const MechanismResult& each : comparison.mechanisms)
    for (const Survival& survival : each.survival) {
      std::string lost;
      for (const Survival::Head& head : survival.heads)
        if (head.named_by_full && !head.named) lost += (lost.empty() ? "" : " ") + head_name(head.head);
      if (!survival.skipped.empty()) lost = survival.skipped;
      lines.push_back({each.attention, survival.detector, std::to_string(survival.named_by_full()),
                       std::to_string(survival.kept()), std::to_string(survival.added()), lost});
    }
  return lines.size() == 1 ? std::string() : "\n" + aligned(lines);
}

std::string summary_text(const Comparison& comparison) {
  std::string text;
  if (comparison.tokens > comparison.n_ctx)
    text += "\nBeyond the model's context of " + std::to_string(comparison.n_ctx) +
            " tokens full attention was not trained, so KL is a distance from what it then does.\n";
  for (const MechanismResult& each : comparison.mechanisms) {
    if (each.efficiency_length)
      text += "\n" + each.attention + ": full attention is slower from about " + fixed(*each.efficiency_length, 0) +
              " tokens on (fitted to these times)";
    if (const AttentionCost& cost = each.heads.cost; cost.attended > 0)
      text += "\n" + each.attention + ": " + std::to_string(cost.scored) + " keys scored, " +
              std::to_string(cost.attended) + " attended, " + fixed(static_cast<double>(cost.bytes) / (1 << 20), 1) +
              " MiB of keys, values and states read";
    if (each.index) text += "\n" + each.attention + ": compositional index " + fixed(*each.index, 2);
  }
  return text.empty() ? text : text + "\n";
}

std::string text_of(const Comparison& comparison) {
  std::vector<std::vector<std::string>> lines = {
      {"attention", "tokens", "nll", "kl", "mass kept", "overlap", "z error", "keys", "seconds"}};
  for (const MechanismResult& each : rows_of(comparison))
    for (const MechanismResult::AtLength& at : each.lengths) {
      const bool whole = &at == &each.lengths.back();
      const HeadMeasures heads = whole ? each.heads : HeadMeasures{};
      lines.push_back({each.attention, std::to_string(at.tokens), fixed(at.predictions.nll, 4),
                       value_text(at.predictions.kl), mean_text(heads.mass_kept, 3), mean_text(heads.overlap, 3),
                       mean_text(heads.z_error, 3), mean_text(heads.keys, 1), fixed(at.seconds, 2)});
    }
  return aligned(lines) + needles_text(comparison) + survival_text(comparison) + summary_text(comparison);
}

store::Table table_of(const Comparison& comparison) {
  std::vector<std::string> attention;
  std::vector<std::int64_t> tokens;
  std::vector<double> nll, kl, seconds;
  for (const MechanismResult& each : rows_of(comparison))
    for (const MechanismResult::AtLength& at : each.lengths) {
      attention.push_back(each.attention);
      tokens.push_back(at.tokens);
      nll.push_back(at.predictions.nll);
      kl.push_back(at.predictions.kl);
      seconds.push_back(at.seconds);
    }
  return {{{"attention", attention, "", "the mechanism as given"},
           {"tokens", tokens, "token", "length of the text"},
           {"nll", nll, "nat", "mean loss of the next token"},
           {"kl", kl, "nat", "mean KL(full attention's prediction || this one)"},
           {"seconds", seconds, "s", "time of one run of the text, without the unembedding"}},
          {}};
}

store::Table needle_table(const Comparison& comparison) {
  std::vector<std::string> attention;
  std::vector<std::int64_t> tokens;
  std::vector<double> depth, nll;
  for (const MechanismResult& each : rows_of(comparison))
    for (const MechanismResult::Needle& needle : each.needles) {
      attention.push_back(each.attention);
      tokens.push_back(needle.tokens);
      depth.push_back(needle.depth);
      nll.push_back(needle.nll);
    }
  return {{{"attention", attention, "", "the mechanism as given"},
           {"tokens", tokens, "token", "length of the text with needle, question and answer"},
           {"depth", depth, "1", "share of the text before the needle"},
           {"nll", nll, "nat", "mean loss of the answer's tokens"}},
          {}};
}

store::Table survival_table(const Comparison& comparison) {
  std::vector<std::string> attention, detector, head;
  std::vector<double> full, own;
  std::vector<std::int64_t> named_by_full, named;
  for (const MechanismResult& each : comparison.mechanisms)
    for (const Survival& survival : each.survival)
      for (const Survival::Head& one : survival.heads) {
        attention.push_back(each.attention);
        detector.push_back(survival.detector);
        head.push_back(head_name(one.head));
        full.push_back(one.full);
        own.push_back(one.own);
        named_by_full.push_back(one.named_by_full);
        named.push_back(one.named);
      }
  return {{{"attention", attention, "", "the mechanism as given"},
           {"detector", detector, "", "detector"},
           {"head", head, "", "head that it names under full attention or under the mechanism"},
           {"full", full, "", "its score under full attention"},
           {"own", own, "", "its score under the mechanism"},
           {"named_by_full", named_by_full, "1", "1: named under full attention"},
           {"named", named, "1", "1: named under the mechanism"}},
          {}};
}

// Of the mechanisms of which heads were measured.
store::Table cost_table(const Comparison& comparison) {
  std::vector<std::string> attention;
  std::vector<std::vector<std::int64_t>> values(std::size(counters));
  for (const MechanismResult& each : comparison.mechanisms) {
    if (each.heads.keys.empty()) continue;
    attention.push_back(each.attention);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i].push_back(each.heads.cost.*counters[i].value);
  }
  store::Table table{{{"attention", attention, "", "the mechanism as given"}}, {}};
  for (std::size_t i = 0; i < values.size(); ++i)
    table.columns.push_back({counters[i].name, values[i], counters[i].units, counters[i].what});
  return table;
}

Status store_heads(store::ResultWriter& writer, const Comparison& comparison) {
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  std::vector<const HeadMeasures*> found;
  std::vector<std::string> names;
  for (const MechanismResult& each : comparison.mechanisms)
    if (!each.heads.keys.empty()) {
      found.push_back(&each.heads);
      names.push_back(each.attention);
    }
  if (found.empty()) return {};
  spec.axes = {{"mechanism", names}, {"layer", {}}, {"head", {}}};
  spec.shape = {std::ssize(found), comparison.n_layers, comparison.n_heads};
  for (const Measure& measure : measures) {
    std::vector<double> values;
    for (const HeadMeasures* heads : found)
      values.insert(values.end(), (heads->*measure.values).begin(), (heads->*measure.values).end());
    spec.units = measure.units;
    spec.long_name = measure.what;
    HS_TRY(writer.add_array(std::string("/comparison/") + measure.name, spec, std::span<const double>(values)));
  }
  return {};
}

} // namespace

Report comparison_report(const Comparison& comparison) {
  nlohmann::json mechanisms = nlohmann::json::array();
  for (const MechanismResult& each : comparison.mechanisms)
    mechanisms.push_back(to_json(each, comparison));
  return Report{{{"tokens", comparison.tokens},
                 {"skip", comparison.skip},
                 {"n_ctx", comparison.n_ctx},
                 {"beyond_context", comparison.tokens > comparison.n_ctx},
                 {"full", to_json(comparison.full, comparison)},
                 {"floor", to_json(comparison.floor, comparison)},
                 {"mechanisms", mechanisms},
                 {"complete", comparison.complete}},
                text_of(comparison),
                comparison.complete};
}

Status store_comparison(store::ResultWriter& writer, const Comparison& comparison) {
  HS_TRY(writer.set_attributes("/comparison", {{"tokens", comparison.tokens}, {"skip", comparison.skip}}));
  HS_TRY(writer.add_table("/comparison/mechanisms", table_of(comparison)));
  const bool measured = std::any_of(comparison.mechanisms.begin(), comparison.mechanisms.end(),
                                    [](const MechanismResult& each) { return !each.heads.keys.empty(); });
  if (measured) HS_TRY(writer.add_table("/comparison/costs", cost_table(comparison)));
  if (!comparison.full.needles.empty()) HS_TRY(writer.add_table("/comparison/needles", needle_table(comparison)));
  if (!comparison.mechanisms.empty() && !comparison.mechanisms.front().survival.empty())
    HS_TRY(writer.add_table("/comparison/survival", survival_table(comparison)));
  return store_heads(writer, comparison);
}

} // namespace headscope::methods
