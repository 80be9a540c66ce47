// SPDX-License-Identifier: GPL-3.0-or-later
// What only a quiet machine can show, and what takes long: scripts/test-timed asks for it, no other run does.
#pragma once

#include <cstdlib>

namespace headscope::test {

// Whether limits of time hold, and what is repeated at random is repeated in full.
inline bool timed() {
  const char* set = std::getenv("HEADSCOPE_TIMED");
  return set != nullptr && *set != '\0';
}

constexpr const char* not_timed = "limits of time are those of a quiet machine: scripts/test-timed";

} // namespace headscope::test
