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
  std::vector<std::string> reference; // texts whose activations mean and resample use; other methods need none
  std::uint64_t seed = 0;             // for choosing the text that resample uses
};

} // namespace headscope::gui
