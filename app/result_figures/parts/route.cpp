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

} // namespace

extern const ResultPart route_part;
constinit const ResultPart route_part = head_part<group>("route", "the cheapest mechanism a head", "/route");

} // namespace headscope
