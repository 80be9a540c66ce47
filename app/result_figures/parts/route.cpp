// SPDX-License-Identifier: GPL-3.0-or-later
// The cheapest mechanism a head: the trade-off as a table, and what each candidate costs in each head.
#include "app/result_figures/parts/head_maps.h"

namespace headscope {
namespace {

using namespace parts;

const HeadGroup& group() {
  static const HeadGroup group = {.prefix = "route", .stacks = {"kl", "keys"}, .main = "curve"};
  return group;
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return head_items(group(), self, reader);
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return head_figure(group(), reader, item);
}

} // namespace

extern const ResultPart route_part;
const ResultPart route_part = {"route", "the cheapest mechanism a head", "/route", list, figure};

} // namespace headscope
