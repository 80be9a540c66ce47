// SPDX-License-Identifier: GPL-3.0-or-later
// What a mechanism says about its own choices in one head on one text, as plain values that any view can draw without
// knowing the mechanism.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headscope::mechanisms {

enum class ExplanationKind : std::uint8_t {
  regions,    // runs of keys that runs of queries chose, with a number each
  boundaries, // positions where chunks or blocks begin
  groups,     // the group that a token's key, and that its query belongs to: a cluster, a bucket
  numbers,    // a number for each token or distance, in one row or several
};

struct Explanation {
  ExplanationKind kind = ExplanationKind::regions;
  std::string title;       // in one line, for a menu and a legend: "Runs kept after halving 2 of 5"
  std::string units = "1"; // of values

  struct Region {
    std::int64_t query_begin = 0, query_end = 0, key_begin = 0, key_end = 0; // ends are one past
    double value = 1.0;
    friend bool operator==(const Region&, const Region&) = default;
  };
  std::vector<Region> regions = {};
  std::vector<std::int64_t> boundaries = {};                    // ascending, without 0
  std::vector<std::int64_t> key_groups = {}, query_groups = {}; // [pos]; -1: none; empty: none has one
  std::vector<std::vector<double>> values = {};                 // [row][token or distance]; NaN: none
  std::vector<std::string> rows = {};                           // their names; empty where there is one row
  bool by_distance = false;                                     // the axis of values is a distance, not a token
};

} // namespace headscope::mechanisms
