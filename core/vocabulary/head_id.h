// SPDX-License-Identifier: GPL-3.0-or-later
// An attention head, and the ways to write heads: "18.6,17.3", "L9H9", "a9.h9", "18" or "L18" (all of a layer), ranges
// of heads "18.0-3" and of layers "10-12", "all".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace headscope {

struct HeadId {
  int layer = 0;
  std::int64_t head = 0;
  friend bool operator==(const HeadId&, const HeadId&) = default;
  friend auto operator<=>(const HeadId&, const HeadId&) = default;
};

std::string head_name(const HeadId& head); // "18.6"
// Reads exactly what head_name() writes, as in files; nothing for anything else.
std::optional<HeadId> read_head_name(std::string_view name);

// Reads heads in the order written, each once. Returns invalid_argument, naming the part, for anything else or outside
// the model.
Result<std::vector<HeadId>> parse_heads(const std::string& text, std::int64_t n_layers, std::int64_t n_heads);

} // namespace headscope
