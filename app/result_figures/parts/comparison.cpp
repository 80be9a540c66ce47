// SPDX-License-Identifier: GPL-3.0-or-later
// Mechanisms of attention against full attention: the losses as a table, and a map of heads for each measure and
// mechanism.
#include "app/result_figures/parts/head_maps.h"

namespace headscope {
namespace {

using namespace parts;

const HeadGroup& group() {
  static const HeadGroup group = {.prefix = "comparison",
                                  .stacks = {"mass_kept", "pattern_kl", "z_error", "overlap", "keys"},
                                  .as_found = {"needles"},
                                  .main = "mechanisms"};
  return group;
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return head_items(group(), self, reader);
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return head_figure(group(), reader, item);
}

} // namespace

extern const ResultPart comparison_part;
const ResultPart comparison_part = {"comparison", "mechanisms of attention", "/comparison", list, figure};

} // namespace headscope
