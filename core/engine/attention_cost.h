// SPDX-License-Identifier: GPL-3.0-or-later
// What attention costs, counted where it is computed and only where somebody asks.
#pragma once

#include <cstdint>

namespace headscope {

// Sums over queries and heads, by the form that ran: one that computes all scores and hides most has scored all keys.
struct AttentionCost {
  std::int64_t scored = 0;   // products of a query with a key, or with what stands for keys
  std::int64_t attended = 0; // keys with a weight
  std::int64_t bytes = 0;    // of keys, values and states that are read, as if each query read them by itself
};

} // namespace headscope
