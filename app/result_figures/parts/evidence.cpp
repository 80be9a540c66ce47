// SPDX-License-Identifier: GPL-3.0-or-later
// Evidence that detectors keep beside their scores: maps and tables of their own.
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto detectors, reader.list(self.group));
  for (const std::string& name : detectors) {
    const std::string group = std::string(self.group) + "/" + name + "/evidence";
    if (!reader.exists(group)) continue;
    HS_ASSIGN(const ResultItems found,
              items_under(self, reader, group, "evidence-" + name, [](const std::string&) { return false; }));
    items.insert(items.end(), found.begin(), found.end());
  }
  return items;
}

} // namespace

extern const ResultPart evidence_part;
const ResultPart evidence_part = {"evidence", "maps and tables of detectors", "/detectors", list, any_figure};

} // namespace headscope
