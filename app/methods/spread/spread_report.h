// SPDX-License-Identifier: GPL-3.0-or-later
// Where heads look, for people, for programs and for a result file.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/method.h"
#include "core/analysis/attention_spread.h"
#include "core/store/result_file.h"

namespace headscope::methods {

struct SpreadResult {
  AttentionSpread spread;
  std::int64_t n_layers = 0, n_heads = 0, tokens = 0;
  std::vector<std::int64_t> keys;         // of spread.keys_kl
  std::vector<std::string> classes;       // of spread.class_mass
  std::vector<std::int64_t> class_tokens; // how many tokens each has
  double keep = 0.0;                      // KL up to which a head is said to need so many keys
};

// The least of the key counts whose KL is at most `keep`, [layer, head]; NaN: more than all of them.
std::vector<double> keys_needed(const SpreadResult& result);

Report spread_report(const SpreadResult& result);
// Stores /spread.
Status store_spread(store::ResultWriter& writer, const SpreadResult& result);

} // namespace headscope::methods
