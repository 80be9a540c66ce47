// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/forms/plan_text.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace headscope::gui {
namespace {

const std::string full = "full";

// "18" or "4-29".
std::string range_text(std::int64_t first, std::int64_t last) {
  std::ostringstream text;
  text << first;
  if (last > first) text << '-' << last;
  return text.str();
}

// Calls `take` with the first and the last of each run of consecutive numbers.
template <typename Take> void for_runs(const std::set<std::int64_t>& numbers, const Take& take) {
  for (auto first = numbers.begin(); first != numbers.end();) {
    auto end = std::next(first);
    std::int64_t last = *first;
    while (end != numbers.end() && *end == last + 1)
      last = *end++;
    take(*first, last);
    first = end;
  }
}

// The place of a mechanism, with its '@'; empty: all heads.
std::string place_text(const std::set<HeadId>& heads, std::int64_t n_layers, std::int64_t n_heads) {
  std::map<std::int64_t, std::set<std::int64_t>> by_layer;
  for (const HeadId& head : heads)
    by_layer[head.layer].insert(head.head);
  std::set<std::int64_t> whole;
  for (const auto& [layer, of_layer] : by_layer)
    if (std::ssize(of_layer) == n_heads) whole.insert(layer);
  if (std::ssize(whole) == n_layers) return {};
  std::string text;
  const auto add = [&text](const std::string& part) { text.append(text.empty() ? "" : ",").append(part); };
  for_runs(whole, [&](std::int64_t first, std::int64_t last) { add(range_text(first, last)); });
  const bool layers_alone = whole.size() == by_layer.size();
  for (const auto& [layer, of_layer] : by_layer)
    if (!whole.contains(layer))
      for_runs(of_layer, [&, at = layer](std::int64_t first, std::int64_t last) {
        add(std::to_string(at).append(".").append(range_text(first, last)));
      });
  std::string place = layers_alone ? "@layers=" : "@heads=";
  return place.append(text);
}

} // namespace

Result<HeadPlan> read_head_plan(const std::string& text, std::int64_t n_layers, std::int64_t n_heads) {
  HeadPlan plan;
  std::istringstream specs(text);
  std::set<HeadId> named;
  for (std::string spec; std::getline(specs, spec, ';');) {
    const std::size_t at = spec.find('@'), equals = spec.find('=', at == std::string::npos ? spec.size() : at);
    std::string where = "all";
    if (at != std::string::npos) {
      if (equals == std::string::npos)
        return make_error(ErrorCode::invalid_argument, "it must be @layers=4-29 or @heads=18.6: " + spec.substr(at), {},
                          "attention");
      where = spec.substr(equals + 1);
    }
    HS_ASSIGN(const std::vector<HeadId> heads, parse_heads(where, n_layers, n_heads));
    const std::string what = spec.substr(0, at);
    for (const HeadId& head : heads) {
      if (!named.insert(head).second)
        return make_error(ErrorCode::invalid_argument, "head " + head_name(head) + " is named twice", {}, "attention");
      if (what != full) plan[head] = what;
    }
  }
  return plan;
}

std::string write_head_plan(const HeadPlan& plan, std::int64_t n_layers, std::int64_t n_heads) {
  std::vector<std::pair<std::string, std::set<HeadId>>> parts;
  for (const auto& [head, what] : plan) {
    auto part = std::ranges::find(parts, what, &std::pair<std::string, std::set<HeadId>>::first);
    if (part == parts.end()) part = parts.insert(parts.end(), {what, {}});
    part->second.insert(head);
  }
  std::string text;
  for (const auto& [what, heads] : parts)
    text.append(text.empty() ? "" : ";").append(what).append(place_text(heads, n_layers, n_heads));
  return text;
}

} // namespace headscope::gui
