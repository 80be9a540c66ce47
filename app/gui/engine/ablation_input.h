// SPDX-License-Identifier: GPL-3.0-or-later
// Which heads are ablated, and what replaces their output.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"

namespace headscope::gui {

struct AblationInput {
  std::vector<AblatedHead> heads;
  std::vector<std::string> reference; // texts whose activations mean and resample take; no others need them
  std::uint64_t seed = 0;             // of the choice of the text that resample takes
  friend bool operator==(const AblationInput&, const AblationInput&) = default;
};

} // namespace headscope::gui
