// SPDX-License-Identifier: GPL-3.0-or-later
// Checks a mechanism against its own reference and description. `headscope mechanisms SPEC --check` runs this for
// mechanisms of plugins and Headscope's own.
#pragma once

#include <string>
#include <vector>

#include "core/mechanisms/spec.h"

namespace headscope::mechanisms {

struct CheckedPoint {
  std::string what;    // "form and reference, left padding"
  double difference;   // the largest, of z
  std::string failure; // empty: it holds
};

// Tries one spec (its place does not count) on random grouped heads, lengths from one token on, padding on either side,
// windows and soft caps of the model: the form gives what the reference gives; the pattern that readers see makes z,
// and is of the declared kind; z does not depend on later tokens, unless the description says so; steps from a cache
// give what the whole text gives; other heads are left alone. An exception is a failure that says so.
std::vector<CheckedPoint> check_mechanism(const MechanismSpec& spec);

} // namespace headscope::mechanisms
