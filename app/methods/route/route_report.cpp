// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/route/route_report.h"

#include <algorithm>

#include "app/methods/base/values.h"

namespace headscope::methods {
namespace {

using mechanisms::Route;
using mechanisms::RoutePoint;
using mechanisms::RouteTask;

nlohmann::json to_json(const RoutePoint& point) {
  return {{"changes", point.changes},
          {"keys", number(point.keys)},
          {"kl", number(point.kl)},
          {"held_out_kl", number(point.held_out_kl)}};
}

std::int64_t heads_with(const Route& route, int choice) {
  return std::count(route.choice.begin(), route.choice.end(), choice);
}

std::string text_of(const Route& route, const RouteTask& task) {
  std::vector<std::vector<std::string>> lines = {{"changes", "keys", "kl", "kl held out", ""}};
  for (const RoutePoint& point : route.curve)
    lines.push_back({std::to_string(point.changes), fixed(point.keys, 3), value_text(point.kl),
                     value_text(point.held_out_kl), point.changes == route.chosen.changes ? "<- chosen" : ""});
  std::string text = aligned(lines) + "\n";
  for (std::size_t c = 0; c < task.candidates.size(); ++c)
    text += task.candidates[c] + ": " + std::to_string(heads_with(route, static_cast<int>(c))) + " heads\n";
  text += "full: " + std::to_string(heads_with(route, -1)) + " heads\n\n" + route.plan + "\n";
  return text;
}

} // namespace

Report route_report(const Route& route, const RouteTask& task, const ModelConfig& config) {
  const auto layers = static_cast<std::size_t>(config.n_layers), heads = static_cast<std::size_t>(config.n_heads);
  nlohmann::json candidates = nlohmann::json::array(), curve = nlohmann::json::array();
  for (std::size_t c = 0; c < task.candidates.size(); ++c)
    candidates.push_back({{"attention", task.candidates[c]},
                          {"heads", heads_with(route, static_cast<int>(c))},
                          {"kl", matrix(route.candidates[c].kl, layers, heads)},
                          {"keys", matrix(route.candidates[c].keys, layers, heads)}});
  for (const RoutePoint& point : route.curve)
    curve.push_back(to_json(point));
  return Report{{{"plan", route.plan},
                 {"budget", task.budget},
                 {"chosen", to_json(route.chosen)},
                 {"full_heads", heads_with(route, -1)},
                 {"candidates", candidates},
                 {"curve", curve}},
                text_of(route, task)};
}

Status store_route(store::ResultWriter& writer, const Route& route, const RouteTask& task, const ModelConfig& config) {
  HS_TRY(writer.set_attributes("/route", {{"plan", route.plan},
                                          {"budget", task.budget},
                                          {"kl", route.chosen.kl},
                                          {"held_out_kl", route.chosen.held_out_kl},
                                          {"keys", route.chosen.keys}}));
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  spec.axes = {{"candidate", task.candidates}, {"layer", {}}, {"head", {}}};
  spec.shape = {std::ssize(task.candidates), config.n_layers, config.n_heads};
  std::vector<double> kl, keys;
  for (const mechanisms::CandidateCost& cost : route.candidates) {
    kl.insert(kl.end(), cost.kl.begin(), cost.kl.end());
    keys.insert(keys.end(), cost.keys.begin(), cost.keys.end());
  }
  spec.units = "nat";
  spec.long_name = "mean KL(full || plan) of the next token where this head alone uses the candidate";
  HS_TRY(writer.add_array("/route/kl", spec, std::span<const double>(kl)));
  spec.units = "1";
  spec.long_name = "keys attended by a query, as a share of full attention's";
  HS_TRY(writer.add_array("/route/keys", spec, std::span<const double>(keys)));
  std::vector<std::int64_t> changes;
  std::vector<double> shares, chosen_by, held_out;
  for (const RoutePoint& point : route.curve) {
    changes.push_back(point.changes);
    shares.push_back(point.keys);
    chosen_by.push_back(point.kl);
    held_out.push_back(point.held_out_kl);
  }
  return writer.add_table("/route/curve", {{{"changes", changes, "1", "how many of the ordered changes are made"},
                                            {"keys", shares, "1", "keys attended over all heads, as a share of full's"},
                                            {"kl", chosen_by, "nat", "mean KL on the text that heads are chosen by"},
                                            {"held_out_kl", held_out, "nat", "mean KL on the held-out text"}},
                                           {}});
}

std::string full_attention_heads(const Route& route, const ModelConfig& config) {
  const std::int64_t group = config.n_heads / config.n_kv_heads;
  std::string text;
  for (std::int64_t layer = 0; layer < config.n_layers; ++layer)
    for (std::int64_t kv = 0; kv < config.n_kv_heads; ++kv) {
      const auto first = route.choice.begin() + layer * config.n_heads + kv * group;
      const bool full = std::find(first, first + group, -1) != first + group;
      text += std::string(full ? "1.0" : "0.0") + (kv + 1 < config.n_kv_heads ? "\t" : "\n");
    }
  return text;
}

} // namespace headscope::methods
