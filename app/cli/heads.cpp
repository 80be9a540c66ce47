// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/heads.h"

#include <algorithm>
#include <optional>
#include <regex>

namespace headscope::cli {
namespace {

struct Part {
  std::int64_t layer = 0;
  std::optional<std::int64_t> head; // unset: all of the layer
};

std::optional<Part> parse_part(const std::string& text) {
  static const std::regex separated(R"(^[aAlL]?(\d{1,6})(?:\.[hH]?|[hH]|:)(\d{1,6})$)"), layer(R"(^[aAlL]?(\d{1,6})$)");
  std::smatch match;
  if (std::regex_match(text, match, separated)) return Part{std::stoll(match[1]), std::stoll(match[2])};
  if (std::regex_match(text, match, layer)) return Part{std::stoll(match[1]), std::nullopt};
  return std::nullopt;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + ",") {
    if (c == ',' || c == ' ') {
      if (!part.empty()) parts.push_back(part);
      part.clear();
    } else {
      part += c;
    }
  }
  return parts;
}

} // namespace

std::string head_name(const HeadId& head) { return std::to_string(head.layer) + "." + std::to_string(head.head); }

Result<std::vector<HeadId>> parse_heads(const std::string& text, const ModelConfig& config) {
  std::vector<HeadId> heads;
  const auto add = [&](std::int64_t layer, std::int64_t head) {
    const HeadId id{static_cast<int>(layer), head};
    if (std::find(heads.begin(), heads.end(), id) == heads.end()) heads.push_back(id);
  };
  const auto add_layer = [&](std::int64_t layer) {
    for (std::int64_t head = 0; head < config.n_heads; ++head)
      add(layer, head);
  };
  for (const std::string& name : split(text)) {
    if (name == "all") {
      for (std::int64_t layer = 0; layer < config.n_layers; ++layer)
        add_layer(layer);
      continue;
    }
    const auto part = parse_part(name);
    if (!part)
      return make_error(ErrorCode::invalid_argument,
                        "'" + name + "' is no head; write 18.6, L18H6, a18.h6, 18 (a layer) or all", {}, "--heads");
    if (part->layer >= config.n_layers || (part->head && *part->head >= config.n_heads))
      return make_error(ErrorCode::invalid_argument,
                        "the model has no head " + name + "; layers are 0 to " + std::to_string(config.n_layers - 1) +
                            ", heads 0 to " + std::to_string(config.n_heads - 1),
                        {}, "--heads");
    if (part->head)
      add(part->layer, *part->head);
    else
      add_layer(part->layer);
  }
  if (heads.empty()) return make_error(ErrorCode::invalid_argument, "names no head", {}, "--heads");
  return heads;
}

} // namespace headscope::cli
