// SPDX-License-Identifier: GPL-3.0-or-later
// The kind of each head in a planted model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::plant {

enum class Kind {
  // what detectors look for
  previous,
  induction,
  duplicate,
  retrieval,
  successor,
  sink,
  name_mover,
  correct_letter,
  vision,
  // what these need to work
  two_back,
  s_inhibition,
  content_gatherer,
  // what resembles one of the first in one respect
  needle_gazer,
  far_copier,
  zero_value_first,
  first_glancer,
  ordinal_copier,
  name_gazer,
  // all others
  noise,
};

const char* kind_id(Kind kind); // "name_mover"; of the first group, the detector's id
bool is_target(Kind kind);      // of the first group
bool is_helper(Kind kind);
bool is_distractor(Kind kind);

struct PlantOptions {
  std::uint64_t seed = 0;
  int layers = 4, heads = 8, kv_heads = 2;
  double noise = 0.0; // standard deviation of what is added to each weight, over the root mean square of its matrix
};

struct PlantedHead {
  int layer = 0, head = 0;
  Kind kind = Kind::noise;
  double share = 1.0; // of its kind's output: heads of a kind share it
};

// Draws the kind of every head, by layer and head. Each kind of the first two groups occurs; distractors as far as
// there are heads left, then further heads of the first group and noise. Returns invalid_argument, naming the option,
// for a shape that is invalid or too small.
Result<std::vector<PlantedHead>> draw_layout(const PlantOptions& options);

} // namespace headscope::plant
