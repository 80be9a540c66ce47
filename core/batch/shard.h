// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace headscope {

// A part of an experiment's cells: those whose number modulo `count` is `index`.
struct Shard {
  std::int64_t index = 0, count = 1;
  bool has(std::int64_t cell) const { return cell % count == index; }
};
// Reads "2/8", the third of eight. Returns invalid_argument for anything else.
Result<Shard> parse_shard(const std::string& text);

} // namespace headscope
