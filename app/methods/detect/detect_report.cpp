// SPDX-License-Identifier: GPL-3.0-or-later
// Reports of what detectors found: as JSON, and the strongest heads as text.
#include <algorithm>
#include <cmath>

#include "app/methods/base/values.h"
#include "app/methods/detect/detect_run.h"

namespace headscope::methods {
namespace {

nlohmann::json error_json(const Error& error) {
  return {{"code", to_string(error.code)}, {"message", error.message}, {"file", error.file}, {"field", error.field}};
}

} // namespace

nlohmann::json to_json(const DetectorOutcomes& outcomes) {
  nlohmann::json detectors = nlohmann::json::object();
  for (const DetectorOutcome& outcome : outcomes.list) {
    nlohmann::json& entry = detectors[outcome.id];
    if (!outcome.result) {
      entry = {{"skipped", outcome.skipped}};
      continue;
    }
    const DetectorResult& result = *outcome.result;
    nlohmann::json heads = nlohmann::json::array();
    for (const HeadId& head : result.heads)
      heads.push_back(head_name(head));
    entry["scores"] =
        matrix(result.scores, static_cast<std::size_t>(result.n_layers), static_cast<std::size_t>(result.n_heads));
    entry["heads"] = std::move(heads);
    entry["threshold"] = number(result.threshold);
    if (!result.conditions.empty()) {
      entry["conditions"] = result.conditions;
      entry["unnamed"] = nlohmann::json::object();
      for (const DetectorResult::Unnamed& each : result.unnamed)
        entry["unnamed"][head_name(each.head)] = each.why;
    }
    entry["complete"] = result.complete;
    entry["findings"] = store::to_json(result.findings);
    if (!result.message.empty()) entry["message"] = result.message;
  }
  nlohmann::json out = {{"detectors", detectors}, {"complete", outcomes.complete}};
  if (outcomes.failed) out["error"] = error_json(*outcomes.failed);
  return out;
}

namespace {

std::string scored(const DetectorResult& result, const HeadId& head) {
  return head_name(head) + " " + fixed(result.scores[result.index(head.layer, head.head)], 3);
}

// The highest positive scores, without the heads that the detector named.
std::vector<HeadId> highest_others(const DetectorResult& result) {
  std::vector<HeadId> order;
  for (std::size_t i = 0; i < result.scores.size(); ++i) {
    const auto heads = static_cast<std::size_t>(result.n_heads);
    const HeadId head{static_cast<int>(i / heads), static_cast<std::int64_t>(i % heads)};
    const bool named = std::find(result.heads.begin(), result.heads.end(), head) != result.heads.end();
    if (!named && std::isfinite(result.scores[i]) && result.scores[i] > 0.0F) order.push_back(head);
  }
  const auto score = [&](const HeadId& head) { return result.scores[result.index(head.layer, head.head)]; };
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return score(a) > score(b); });
  return order;
}

// Lists heads of the kind first; then the highest other scores, each with the condition that it fails if it is not the
// threshold.
std::string heads_text(const DetectorResult& result, std::size_t most) {
  std::string text;
  std::size_t shown = 0;
  for (; shown < std::min(most, result.heads.size()); ++shown)
    text += (shown ? "  " : "") + scored(result, result.heads[shown]);
  const std::vector<HeadId> others = highest_others(result);
  if (text.empty() && others.empty()) return "no scores";
  if (shown == most || others.empty()) return text;
  text += text.empty() ? "none; others" : "; others";
  for (std::size_t i = 0; i < std::min(most - shown, others.size()); ++i) {
    text += (i ? "  " : " ") + scored(result, others[i]);
    for (const DetectorResult::Unnamed& each : result.unnamed)
      if (each.head == others[i]) text += " (" + each.why + ")";
  }
  return text;
}

std::string kind_text(const DetectorResult& result) {
  std::string text = std::to_string(result.heads.size()) + " heads >= " + fixed(result.threshold, 2);
  for (const std::string& condition : result.conditions)
    text += ", " + condition;
  return text;
}

} // namespace

std::string strongest_heads(const DetectorOutcomes& outcomes, std::size_t most) {
  std::vector<std::vector<std::string>> lines;
  for (const DetectorOutcome& outcome : outcomes.list)
    if (outcome.result)
      lines.push_back({outcome.title, heads_text(*outcome.result, most), "(" + kind_text(*outcome.result) + ")"});
  return aligned(lines);
}

} // namespace headscope::methods
