// SPDX-License-Identifier: GPL-3.0-or-later
// A task's score with more and more of the strongest heads masked, against random ones.
#include "app/result_figures/masking_curve.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return items_by_name(self, reader, "masking");
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const MaskingCurve curve, read_masking(reader, item.path));
  return ResultFigure{
      .name = item.name, .figure = masking_figure(curve, model_name(reader)), .table = masking_table(curve)};
}

} // namespace

extern const ResultPart masking_part;
const ResultPart masking_part = {"masking", "the strongest heads masked", "/masking", list, figure};

} // namespace headscope
