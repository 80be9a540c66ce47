// SPDX-License-Identifier: GPL-3.0-or-later
// What heads could be replaced by: a map of heads for each number, and the traces.
#include "app/result_figures/parts/head_maps.h"

namespace headscope {
namespace {

using namespace parts;

const HeadGroup& group() {
  static const HeadGroup group = {.prefix = "traits",
                                  .maps = {"state_rank", "decay", "decay_r2", "query_r2", "score_rank", "keys"},
                                  .as_found = {"surprise", "recall"}};
  return group;
}

} // namespace

extern const ResultPart traits_part;
constinit const ResultPart traits_part = head_part<group>("traits", "what heads could be replaced by", "/traits");

} // namespace headscope
