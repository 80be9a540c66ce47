// SPDX-License-Identifier: GPL-3.0-or-later
// The option that says how much goes through the model at once, memory against speed.
#pragma once

#include "app/methods/base/option.h"

namespace headscope::methods {

inline Option& list_tokens_per_run(OptionList& list, std::int64_t& tokens) {
  return list.add("tokens_per_run", tokens, "How many tokens go through the model at once; 0: what suits the device")
      .in("token")
      .at_least(0);
}

// Of methods on the computational graph, which hold what every node writes.
inline Option& list_graph_tokens_per_run(OptionList& list, std::int64_t& tokens) {
  return list.add("tokens_per_run", tokens, "Tokens that go through the model at once; 0: by memory")
      .in("token")
      .at_least(0);
}

} // namespace headscope::methods
