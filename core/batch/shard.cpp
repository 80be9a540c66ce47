// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/shard.h"

#include <charconv>

namespace headscope {

Result<Shard> parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  if (index.ec == std::errc() && index.ptr != end && *index.ptr == '/') {
    const auto count = std::from_chars(index.ptr + 1, end, shard.count);
    if (count.ec == std::errc() && count.ptr == end && shard.index >= 0 && shard.index < shard.count) return shard;
  }
  return make_error(ErrorCode::invalid_argument, "must be I/N with I from 0 to N-1, not '" + text + "'", {}, "--shard");
}

} // namespace headscope
