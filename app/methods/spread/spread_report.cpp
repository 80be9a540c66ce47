// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/spread/spread_report.h"

#include <cmath>
#include <limits>

#include "app/methods/base/values.h"

namespace headscope::methods {
namespace {

// A number of every head: how it is called and what it is.
struct Measure {
  const char* name;
  const char* units;
  const char* what;
  std::vector<double> AttentionSpread::*values;
};
constexpr Measure measures[] = {
    {"distance", "token", "mean distance from query to key, by weight", &AttentionSpread::distance},
    {"distance_spread", "token", "root of the mean variance of the distance within a query",
     &AttentionSpread::distance_spread},
    {"grid_distance", "1", "mean distance in the grid, by weight", &AttentionSpread::grid_distance},
    {"grid_distance_spread", "1", "root of the mean variance of the distance in the grid within a query",
     &AttentionSpread::grid_distance_spread}};

std::size_t heads_of(const SpreadResult& result) { return static_cast<std::size_t>(result.n_layers * result.n_heads); }

std::vector<double> part(const std::vector<double>& values, std::size_t at, std::size_t count) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(at * count);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

// Mean over all heads of the weight from one class on another.
std::string classes_text(const SpreadResult& result) {
  const std::size_t n = result.classes.size();
  std::vector<std::vector<std::string>> lines = {{"from \\ to", "tokens"}};
  for (const std::string& name : result.classes)
    lines.front().push_back(name);
  for (std::size_t q = 0; q < n; ++q) {
    if (result.class_tokens[q] == 0) continue;
    lines.push_back({result.classes[q], std::to_string(result.class_tokens[q])});
    for (std::size_t k = 0; k < n; ++k)
      lines.back().push_back(fixed(mean_over(part(result.spread.class_mass, q * n + k, heads_of(result))), 3));
  }
  return "\nweight by class of token, mean of all heads\n" + aligned(lines);
}

std::string text_of(const SpreadResult& result) {
  std::vector<std::vector<std::string>> lines = {{"head"}};
  for (const Measure& measure : measures)
    if (!(result.spread.*measure.values).empty()) lines.front().emplace_back(measure.name);
  lines.front().emplace_back("keys needed");
  const std::vector<double> needed = keys_needed(result);
  for (std::size_t i = 0; i < heads_of(result); ++i) {
    const auto heads = static_cast<std::size_t>(result.n_heads);
    lines.push_back({std::to_string(i / heads) + "." + std::to_string(i % heads)});
    for (const Measure& measure : measures)
      if (const auto& values = result.spread.*measure.values; !values.empty())
        lines.back().push_back(fixed(values[i], 2));
    lines.back().push_back(std::isnan(needed[i]) ? "more" : fixed(needed[i], 0));
  }
  return aligned(lines) + classes_text(result);
}

} // namespace

std::vector<double> keys_needed(const SpreadResult& result) {
  const std::size_t heads = heads_of(result);
  std::vector<double> needed(heads, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t k = result.keys.size(); k-- > 0;)
    for (std::size_t i = 0; i < heads; ++i)
      if (result.spread.keys_kl[k * heads + i] <= result.keep) needed[i] = static_cast<double>(result.keys[k]);
  return needed;
}

Report spread_report(const SpreadResult& result) {
  const auto layers = static_cast<std::size_t>(result.n_layers), heads = static_cast<std::size_t>(result.n_heads);
  nlohmann::json json = {{"tokens", result.tokens},
                         {"keys", result.keys},
                         {"classes", result.classes},
                         {"class_tokens", result.class_tokens}};
  for (const Measure& measure : measures)
    if (const auto& values = result.spread.*measure.values; !values.empty())
      json[measure.name] = matrix(values, layers, heads);
  for (std::size_t k = 0; k < result.keys.size(); ++k)
    json["keys_kl"].push_back(matrix(part(result.spread.keys_kl, k, layers * heads), layers, heads));
  json["keys_needed"] = matrix(keys_needed(result), layers, heads);
  const std::size_t n = result.classes.size();
  for (std::size_t q = 0; q < n; ++q) {
    nlohmann::json row = nlohmann::json::array();
    for (std::size_t k = 0; k < n; ++k)
      row.push_back(matrix(part(result.spread.class_mass, q * n + k, layers * heads), layers, heads));
    json["class_mass"].push_back(std::move(row));
  }
  return Report{json, text_of(result)};
}

Status store_spread(store::ResultWriter& writer, const SpreadResult& result) {
  HS_TRY(writer.set_attributes("/spread", {{"tokens", result.tokens}, {"keep", result.keep}}));
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    return writer.add_array("/spread/" + name, spec, std::span<const double>(values));
  };
  spec.axes = {{"layer", {}}, {"head", {}}};
  spec.shape = {result.n_layers, result.n_heads};
  for (const Measure& measure : measures) {
    if ((result.spread.*measure.values).empty()) continue;
    spec.units = measure.units;
    spec.long_name = measure.what;
    HS_TRY(add(measure.name, result.spread.*measure.values));
  }
  spec.units = "token";
  spec.long_name = "least of the key counts whose KL is within the bound; NaN: more than all";
  HS_TRY(add("keys_needed", keys_needed(result)));
  std::vector<std::string> counts;
  for (const std::int64_t k : result.keys)
    counts.push_back(std::to_string(k));
  spec.units = "nat";
  spec.long_name = "KL of the pattern cut to its k largest keys from the pattern";
  spec.axes = {{"k", counts}, {"layer", {}}, {"head", {}}};
  spec.shape = {std::ssize(counts), result.n_layers, result.n_heads};
  HS_TRY(add("keys_kl", result.spread.keys_kl));
  const std::int64_t n = std::ssize(result.classes);
  spec.units = "1";
  spec.long_name = "mean weight on keys of a class, over queries of a class";
  spec.axes = {{"query_class", result.classes}, {"key_class", result.classes}, {"layer", {}}, {"head", {}}};
  spec.shape = {n, n, result.n_layers, result.n_heads};
  return add("class_mass", result.spread.class_mass);
}

} // namespace headscope::methods
