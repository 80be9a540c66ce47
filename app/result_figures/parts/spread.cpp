// SPDX-License-Identifier: GPL-3.0-or-later
// Where heads look: maps of heads of distances, of KL by number of keys, and of the weight between classes of tokens.
#include "app/result_figures/parts/head_maps.h"

namespace headscope {
namespace {

using namespace parts;

const HeadGroup& group() {
  static const HeadGroup group = {
      .prefix = "spread",
      .maps = {"distance", "distance_spread", "grid_distance", "grid_distance_spread", "keys_needed"},
      .stacks = {"keys_kl"},
      .as_found = {"class_mass"}};
  return group;
}

} // namespace

extern const ResultPart spread_part;
constinit const ResultPart spread_part = head_part<group>("spread", "where heads look", "/spread");

} // namespace headscope
