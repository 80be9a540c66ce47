// SPDX-License-Identifier: GPL-3.0-or-later
// The option for how many tokens are run at once, which trades memory for speed.
#pragma once

#include "app/methods/base/option.h"

namespace headscope::methods {

inline Option& list_tokens_per_run(OptionList& list, std::int64_t& tokens) {
  return list.add("tokens_per_run", tokens, "How many tokens go through the model at once; 0: what suits the device")
      .in("token")
      .at_least(0);
}

// The option for methods on the computational graph, which hold what every node writes.
inline Option& list_graph_tokens_per_run(OptionList& list, std::int64_t& tokens) {
  return list.add("tokens_per_run", tokens, "Tokens that go through the model at once; 0: by memory")
      .in("token")
      .at_least(0);
}

} // namespace headscope::methods
