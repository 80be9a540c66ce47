// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/vocabulary/head_id.h"

#include <algorithm>
#include <charconv>
#include <regex>
#include <system_error>

namespace headscope {
namespace {

// Layers [layer, last_layer], and in each heads [head, last_head]; without a head, all of them.
struct Part {
  std::int64_t layer = 0, last_layer = 0;
  std::optional<std::int64_t> head, last_head;
};

std::optional<Part> parse_part(const std::string& text) {
  static const std::regex heads(
      R"(^[aAlL]?(\d{1,6})(?:\.[hH]?|[hH]|:)(\d{1,6})(?:-(?:[aAlL]?(\d{1,6})(?:\.[hH]?|[hH]|:))?(\d{1,6}))?$)"),
      layers(R"(^[aAlL]?(\d{1,6})(?:-[aAlL]?(\d{1,6}))?$)");
  std::smatch match;
  if (std::regex_match(text, match, heads)) {
    const std::int64_t layer = std::stoll(match[1]), head = std::stoll(match[2]);
    if (match[3].matched && std::stoll(match[3]) != layer) return std::nullopt; // heads of one layer only
    return Part{layer, layer, head, match[4].matched ? std::stoll(match[4]) : head};
  }
  if (std::regex_match(text, match, layers)) {
    const std::int64_t layer = std::stoll(match[1]);
    return Part{layer, match[2].matched ? std::stoll(match[2]) : layer, std::nullopt, std::nullopt};
  }
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

Result<Part> resolve(const std::string& name, std::int64_t n_layers, std::int64_t n_heads) {
  auto part = parse_part(name);
  if (name == "all") part = Part{0, n_layers - 1, std::nullopt, std::nullopt};
  if (!part)
    return make_error(ErrorCode::invalid_argument,
                      "'" + name + "' is no head; write 18.6, L18H6, a18.h6, 18.0-3, 18 (a layer), 10-12 or all", {},
                      "--heads");
  if (!part->head) {
    part->head = 0;
    part->last_head = n_heads - 1;
  }
  if (part->last_layer >= n_layers || *part->last_head >= n_heads)
    return make_error(ErrorCode::invalid_argument,
                      "the model has no head " + name + "; layers are 0 to " + std::to_string(n_layers - 1) +
                          ", heads 0 to " + std::to_string(n_heads - 1),
                      {}, "--heads");
  if (part->last_layer < part->layer || *part->last_head < *part->head)
    return make_error(ErrorCode::invalid_argument, "the range " + name + " ends before it begins", {}, "--heads");
  return *part;
}

} // namespace

std::string head_name(const HeadId& head) { return std::to_string(head.layer) + "." + std::to_string(head.head); }

std::optional<HeadId> read_head_name(std::string_view name) {
  HeadId head;
  const char* end = name.data() + name.size();
  const auto layer = std::from_chars(name.data(), end, head.layer);
  if (layer.ec != std::errc() || layer.ptr == end || *layer.ptr != '.') return std::nullopt;
  const auto index = std::from_chars(layer.ptr + 1, end, head.head);
  if (index.ec != std::errc() || index.ptr != end) return std::nullopt;
  return head;
}

Result<std::vector<HeadId>> parse_heads(const std::string& text, std::int64_t n_layers, std::int64_t n_heads) {
  std::vector<HeadId> heads;
  for (const std::string& name : split(text)) {
    HS_ASSIGN(const Part part, resolve(name, n_layers, n_heads));
    for (std::int64_t layer = part.layer; layer <= part.last_layer; ++layer)
      for (std::int64_t head = *part.head; head <= *part.last_head; ++head) {
        const HeadId id{static_cast<int>(layer), head};
        if (std::find(heads.begin(), heads.end(), id) == heads.end()) heads.push_back(id);
      }
  }
  if (heads.empty()) return make_error(ErrorCode::invalid_argument, "names no head", {}, "--heads");
  return heads;
}

} // namespace headscope
