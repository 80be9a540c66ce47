// SPDX-License-Identifier: GPL-3.0-or-later
// Groups of which arrays [layer, head] and [what, layer, head] are maps of heads, and all else is shown as it is.
#pragma once

#include <string_view>
#include <vector>

#include "app/result_figures/parts/common.h"

namespace headscope::parts {

struct HeadGroup {
  std::string prefix;                          // of the items' names
  std::vector<std::string_view> maps = {};     // [layer, head]
  std::vector<std::string_view> stacks = {};   // [what, layer, head], a map each
  std::vector<std::string_view> as_found = {}; // tables and other arrays
  std::string_view main = {};                  // whose item is called as the prefix; empty: none
};

Result<ResultItems> head_items(const HeadGroup& group, const ResultPart& self, const store::ResultReader& reader);
Result<ResultFigure> head_figure(const HeadGroup& group, const store::ResultReader& reader, const ResultItem& item);

// The part that is such a group.
template <const HeadGroup& (*group)()>
constexpr ResultPart head_part(const char* name, const char* what, const char* path) {
  return {name, what, path,
          [](const ResultPart& self, const store::ResultReader& reader) { return head_items(group(), self, reader); },
          [](const store::ResultReader& reader, const ResultItem& item) { return head_figure(group(), reader, item); }};
}

} // namespace headscope::parts
