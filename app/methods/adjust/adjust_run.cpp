// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/adjust/adjust_run.h"

#include <algorithm>
#include <cstdlib>

#include "app/methods/base/values.h"
#include "core/prompts/tasks/key_positions.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

Result<double> parse_number(const std::string& text, const std::string& whole, const char* field) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (!text.empty() && *end == '\0') return value;
  return make_error(ErrorCode::invalid_argument, "'" + text + "' in " + whole + " is no number", {}, field);
}

struct Parts {
  std::vector<HeadId> heads;
  std::string value; // after '='
};

Result<Parts> split(const std::string& text, const char* form, const char* field, const ModelConfig& config) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return make_error(ErrorCode::invalid_argument, "'" + text + "' is not " + form, {}, field);
  const auto heads = parse_heads(text.substr(0, equals), config.n_layers, config.n_heads);
  if (!heads.ok()) return make_error(heads.error().code, heads.error().message, {}, field);
  return Parts{*heads, text.substr(equals + 1)};
}

HeadAdjustment& adjustment_of(const HeadId& head, std::vector<HeadAdjustment>& all) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const HeadAdjustment& each) { return each.head == head; });
  if (found != all.end()) return *found;
  all.emplace_back();
  all.back().head = head;
  return all.back();
}

Error twice(const HeadId& head, const char* what, const char* field) {
  return make_error(ErrorCode::invalid_argument, "head " + head_name(head) + " is " + what + " twice", {}, field);
}

// Stores the positions of one name [prompt, key], with -1 where a prompt has fewer.
Status store_keys(store::ResultWriter& writer, const std::string& path, const std::string& name,
                  const store::Axis& axis, const std::vector<AdjustmentPrompt>& prompts) {
  std::size_t most = 0;
  for (const AdjustmentPrompt& prompt : prompts)
    most = std::max(most, prompt.keys.at(name).size());
  std::vector<std::int64_t> positions(prompts.size() * most, -1);
  for (std::size_t i = 0; i < prompts.size(); ++i)
    std::copy(prompts[i].keys.at(name).begin(), prompts[i].keys.at(name).end(),
              positions.begin() + static_cast<std::ptrdiff_t>(i * most));
  store::ArraySpec spec;
  spec.dtype = store::DType::int64;
  spec.axes = {axis, {"key", {}}};
  spec.shape = {static_cast<std::int64_t>(prompts.size()), static_cast<std::int64_t>(most)};
  spec.units = "token";
  spec.long_name = "positions of the tokens '" + name + "' that attention is steered towards; -1: none";
  return writer.add_array(path, spec, std::span<const std::int64_t>(positions));
}

std::vector<std::string> variant_names(const AdjustmentResult& result) {
  std::vector<std::string> names = {"none", "adjusted"};
  for (std::size_t i = 2; i < result.variants.size(); ++i)
    names.push_back("random-" + std::to_string(i - 2));
  return names;
}

} // namespace

Result<std::vector<HeadAdjustment>> parse_adjustments(const std::vector<std::string>& steer,
                                                      const std::vector<std::string>& scale,
                                                      const ModelConfig& config) {
  std::vector<HeadAdjustment> out;
  for (const std::string& text : steer) {
    HS_ASSIGN(const Parts parts, split(text, "HEADS=TOKENS or HEADS=TOKENS@SHARE, as 12.3=wrong", "steer", config));
    const auto at = parts.value.find('@');
    double share = 1.0;
    if (at != std::string::npos) {
      HS_ASSIGN(share, parse_number(parts.value.substr(at + 1), text, "steer"));
    }
    for (const HeadId& head : parts.heads) {
      HeadAdjustment& each = adjustment_of(head, out);
      if (!each.steer_to.empty()) return twice(head, "steered", "steer");
      each.steer_to = parts.value.substr(0, at);
      each.share = share;
    }
  }
  std::vector<HeadId> scaled;
  for (const std::string& text : scale) {
    HS_ASSIGN(const Parts parts, split(text, "HEADS=FACTOR, as 3.4=2", "scale", config));
    HS_ASSIGN(const double factor, parse_number(parts.value, text, "scale"));
    for (const HeadId& head : parts.heads) {
      if (std::find(scaled.begin(), scaled.end(), head) != scaled.end()) return twice(head, "scaled", "scale");
      scaled.push_back(head);
      adjustment_of(head, out).scale = factor;
    }
  }
  return out;
}

Result<std::vector<AdjustmentPrompt>> adjustment_prompts(const Tokenizer& tokenizer, const TaskSet& task,
                                                         const std::vector<HeadAdjustment>& adjustments) {
  std::vector<AdjustmentPrompt> out;
  for (const TaskCase& item : task.cases) {
    AdjustmentPrompt prompt{item.tokens.clean, item.tokens.answers, {}};
    for (const HeadAdjustment& each : adjustments) {
      if (each.steer_to.empty() || prompt.keys.count(each.steer_to) > 0) continue;
      HS_ASSIGN(auto keys, key_positions(tokenizer, item, each.steer_to));
      if (keys.empty())
        return make_error(ErrorCode::unsupported,
                          "no token of the prompt \"" + one_line(item.example.clean) + "\" is one of '" +
                              each.steer_to + "'",
                          {}, "steer");
      prompt.keys.emplace(each.steer_to, std::move(keys));
    }
    out.push_back(std::move(prompt));
  }
  return out;
}

std::string adjustment_text(const std::vector<HeadAdjustment>& adjustments) {
  std::string text;
  for (const HeadAdjustment& each : adjustments) {
    if (!each.steer_to.empty())
      text += (text.empty() ? "" : " ") + head_name(each.head) + "=" + each.steer_to +
              (each.share == 1.0 ? "" : "@" + nlohmann::json(each.share).dump());
    if (each.scale != 1.0)
      text += (text.empty() ? "" : " ") + head_name(each.head) + "*" + nlohmann::json(each.scale).dump();
  }
  return text;
}

Status store_adjustment(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                        const std::vector<AdjustmentPrompt>& prompts, const AdjustmentResult& result) {
  std::vector<std::string> changes;
  for (const auto& variant : result.variants)
    changes.push_back(adjustment_text(variant));
  const store::Axis prompt_axis{"prompt", ids};
  store::ArraySpec spec;
  spec.axes = {{"variant", variant_names(result)}, prompt_axis};
  spec.shape = {static_cast<std::int64_t>(result.variants.size()), result.n_prompts};
  spec.units = "logit";
  spec.long_name = "mean logit of the answers - mean logit of the wrong answers";
  HS_TRY(writer.add_array(folder + "/logit_diff", spec, std::span<const double>(result.logit_diff)));
  spec.units = "1";
  spec.long_name = "1 where the token with the largest logit is an answer, else 0";
  HS_TRY(writer.add_array(folder + "/accuracy", spec, std::span<const double>(result.accuracy)));
  spec.dtype = store::DType::int64;
  spec.units = "token";
  spec.long_name = "the token with the largest logit; -1: not measured";
  HS_TRY(writer.add_array(folder + "/predicted", spec, std::span<const std::int64_t>(result.predicted)));
  if (!prompts.empty())
    for (const auto& [name, positions] : prompts.front().keys)
      HS_TRY(store_keys(writer, folder + "/keys/" + name, name, prompt_axis, prompts));
  return writer.set_attributes(folder, {{"adjustments", changes}});
}

nlohmann::json to_json(const AdjustmentResult& result) {
  nlohmann::json variants = nlohmann::json::array();
  const std::vector<std::string> names = variant_names(result);
  for (std::size_t i = 0; i < result.variants.size(); ++i)
    variants.push_back({{"variant", names[i]},
                        {"adjustments", adjustment_text(result.variants[i])},
                        {"accuracy", number(result.mean_accuracy(i))},
                        {"logit_diff", number(result.mean_logit_diff(i))}});
  return {{"prompts", result.n_prompts}, {"variants", variants}, {"complete", result.complete}};
}

std::string adjustment_table(const AdjustmentResult& result) {
  std::vector<std::vector<std::string>> lines = {{"", "accuracy %", "logit difference", "adjusted"}};
  const std::vector<std::string> names = variant_names(result);
  for (std::size_t i = 0; i < result.variants.size(); ++i)
    lines.push_back({names[i], fixed(100.0 * result.mean_accuracy(i), 1), fixed(result.mean_logit_diff(i), 4),
                     adjustment_text(result.variants[i])});
  return aligned(lines);
}

} // namespace headscope::methods
