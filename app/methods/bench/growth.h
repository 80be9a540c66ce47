// SPDX-License-Identifier: GPL-3.0-or-later
// How time and memory grow with tokens, heads and layers: what is measured, and the run that holds it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/methods/bench/peak.h"
#include "app/methods/bench/work.h"
#include "core/engine/engine.h"
#include "core/vocabulary/named.h"

namespace headscope::methods {

enum class GrowthKind : std::uint8_t {
  forward,    // logits of the last token
  statistics, // and sums over every attention pattern: keys, entropy, stripes, a span, top 8 keys, map
  sweep,      // zero-ablation of some heads, evenly over the layers
};

} // namespace headscope::methods

namespace headscope {
template <> std::span<const Named<methods::GrowthKind>> names_of<methods::GrowthKind>();
} // namespace headscope

namespace headscope::methods {

// One measurement. `axis`: which of the three numbers was varied.
struct GrowthRow {
  std::string axis; // "tokens", "heads" or "layers"
  std::int64_t tokens = 0, heads = 0, layers = 0;
  double seconds = 0.0;
  std::int64_t memory_bytes = 0; // peak above the model's
  WorkSize work;                 // `flop` is NaN where a plan of mechanisms does not count it
  double flop_per_s() const { return work.flop / seconds; }
  double bytes_per_s() const { return work.bytes / seconds; }
};

struct GrowthRun {
  std::string machine, model, dtype, what;
  std::int64_t batch = 1;
  Peak peak;
  std::vector<GrowthRow> rows;
  std::vector<std::string> skipped; // lines that say which and why: out of memory
};

struct GrowthPlan {
  GrowthKind what = GrowthKind::forward;
  std::int64_t batch = 1, sweep_heads = 24, tokens_per_run = 0;
  std::vector<GrowthRow> rows; // seconds, memory and work are filled in
};

// Makes one row for each number: tokens with the whole model, heads and layers with the first number of tokens.
std::vector<GrowthRow> growth_rows(const ModelConfig& config, const std::vector<std::int64_t>& tokens,
                                   const std::vector<std::int64_t>& heads, const std::vector<std::int64_t>& layers);

// Adds to run.rows and run.skipped as it goes. A row that needs more memory than there is, and larger ones of its axis,
// are skipped. `cancelled` leaves in the run what was measured until then.
Status measure_growth(const std::shared_ptr<const Model>& model, std::shared_ptr<const AttentionBackend> attention,
                      GrowthPlan plan, const RunControl& control, GrowthRun& run);

} // namespace headscope::methods
