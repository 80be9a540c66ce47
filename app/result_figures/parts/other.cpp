// SPDX-License-Identifier: GPL-3.0-or-later
// Everything that no other part knows: measurements of `bench growth`, arrays and tables of plugins and of other
// programs.
#include <algorithm>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

// The groups in which a file describes itself and its prompts.
constexpr const char* records[] = {"/axes", "/experiment", "/model", "/options", "/prompts"};

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  const SkipPath known = [](const std::string& path) {
    return std::any_of(std::begin(records), std::end(records), [&](const char* group) { return path == group; }) ||
           std::any_of(result_parts().begin(), result_parts().end(),
                       [&](const ResultPart& part) { return path == part.group; });
  };
  return items_under(self, reader, "", "", known);
}

} // namespace

extern const ResultPart other_part;
const ResultPart other_part = {"other", "other arrays and tables", "", list, any_figure};

} // namespace headscope
