// SPDX-License-Identifier: GPL-3.0-or-later
// What a head of each kind compares, where it attends, and what it writes.
#pragma once

#include <array>
#include <vector>

#include "core/plant/layout.h"
#include "core/plant/space.h"

namespace headscope::plant {

// score += gain * (what the query reads . what the key has there), where equal codes or a flag that is set count 1.
struct Match {
  Range read; // of the query's residual; of size 1: a flag or the constant
  Range key;  // slots of the key
  double gain = 0.0;
};

// score += sum over planes i of gains[i] * cos(frequency_i * (distance - behind)): a peak so many tokens behind.
struct Distance {
  int behind = 0;
  std::array<double, position_planes> gains{};
};

// Writes gain times what the attended value has; `turned` moves it one place on within each of the ordinal's parts.
struct Write {
  Range value; // slots of the value
  Range to;    // of the residual
  double gain = 0.0;
  bool turned = false;
};

struct Recipe {
  std::vector<Match> matches;
  std::vector<Distance> distances;
  std::vector<Write> writes;
};

Recipe recipe_of(const PlantedHead& head);

} // namespace headscope::plant
