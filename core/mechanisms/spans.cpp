// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/spans.h"

#include <algorithm>
#include <charconv>

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 40;

// Reads "35" or "10-20".
bool parse_span(const std::string& text, Range& span) {
  const char *at = text.data(), *end = at + text.size();
  auto [next, error] = std::from_chars(at, end, span.begin);
  if (error != std::errc() || span.begin < 0 || span.begin > most) return false;
  span.end = span.begin + 1;
  if (next == end) return true;
  if (*next != '-') return false;
  std::int64_t last = 0;
  const auto [stop, wrong] = std::from_chars(next + 1, end, last);
  span.end = last + 1;
  return wrong == std::errc() && stop == end && last >= span.begin && last <= most;
}

} // namespace

Result<std::vector<Range>> parse_spans(const std::string& text, const std::string& field) {
  std::vector<Range> spans;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t plus = std::min(text.find('+', begin), text.size());
    Range span;
    if (!parse_span(text.substr(begin, plus - begin), span))
      return make_error(ErrorCode::invalid_argument, "must be positions like 10-20+35, not '" + text + "'", {}, field);
    spans.push_back(span);
    begin = plus + 1;
  }
  return spans;
}

bool holds(const std::vector<Range>& spans, std::int64_t position) {
  return std::any_of(spans.begin(), spans.end(),
                     [&](const Range& span) { return position >= span.begin && position < span.end; });
}

} // namespace headscope::mechanisms
