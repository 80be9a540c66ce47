// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a run includes tests that need a quiet machine or take long: only scripts/test-timed does.
#pragma once

#include <cstdlib>

namespace headscope::test {

// Whether limits of time are checked, and random repetitions are done in full.
inline bool timed() {
  const char* set = std::getenv("HEADSCOPE_TIMED");
  return set != nullptr && *set != '\0';
}

constexpr const char* not_timed = "limits of time are those of a quiet machine: scripts/test-timed";

} // namespace headscope::test
