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
                                  .as_found = {"costs", "needles", "survival"},
                                  .main = "mechanisms"};
  return group;
}

} // namespace

extern const ResultPart comparison_part;
constinit const ResultPart comparison_part = head_part<group>("comparison", "mechanisms of attention", "/comparison");

} // namespace headscope
