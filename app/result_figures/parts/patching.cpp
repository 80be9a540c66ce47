// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching: layers by positions or heads, or with both axes one map for each position.
#include "app/result_figures/parts/common.h"
#include "app/result_figures/patching_figure.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return items_by_name(self, reader, "patching");
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const PatchingPart part, read_patching(reader, item.path));
  const std::vector<std::int64_t>& shape = part.patching.spec.shape;
  if (shape.size() != 2 && shape.size() != 3)
    return make_error(ErrorCode::corrupt, "has " + std::to_string(shape.size()) + " axes where 2 or 3 belong", {},
                      item.name);
  if (part.patching.restored.empty()) return make_error(ErrorCode::corrupt, "has no cells", {}, item.name);
  const std::string subtitle = joined({model_name(reader), "0 = corrupt run, 1 = clean run",
                                       part.pairs() > 1 ? "mean over " + std::to_string(part.pairs()) + " pairs" : ""});
  ResultFigure out{.name = item.name, .figure = patching_map(part, subtitle)};
  if (auto panels = patching_panels(part, subtitle)) out.figure = std::move(*panels);
  if (figures::Table table = patching_table(part); !table.columns.empty()) out.table = std::move(table);
  if (shape.size() == 3) out.array = NumberArray{shape, part.patching.restored};
  return out;
}

} // namespace

extern const ResultPart patching_part;
const ResultPart patching_part = {"patching", "activation patching", "/patching", list, figure};

} // namespace headscope
