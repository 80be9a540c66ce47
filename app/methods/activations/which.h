// SPDX-License-Identifier: GPL-3.0-or-later
// Parses which activations are wanted: --names, --layers, --heads and --positions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/activation_dump.h"

namespace headscope::methods {

struct Which {
  std::string names;          // "resid_pre,blocks.3.attn.hook_z,blocks.*.hook_mlp_out,hook_embed"
  std::string layers = "all"; // "0,3-5"
  std::string heads = "all";  // "18.6,17.0-3"
  std::string positions = "all";
};

// Returns sites in the order of the forward pass. Errors: not_found or invalid_argument, at the option that finds
// nothing; unsupported for points that have a value for every pair of positions.
Result<std::vector<WantedSite>> wanted_sites(const Which& which, const ModelConfig& config);

// A part of a list of positions: one position, or a slice as in Python. Negative numbers count from the end.
struct PositionPart {
  std::int64_t begin = 0;
  std::optional<std::int64_t> end = {}; // none: up to the end
  bool one = false;                     // `begin` alone, which must be there
};
// Reads "all", "last", "0,-1", "1:" or "-4:-1,0".
Result<std::vector<PositionPart>> parse_positions(const std::string& text);
// Returns positions in the order written, or mismatch, naming the text, where a single position is not there.
Result<std::vector<std::int64_t>> positions_in(const std::vector<PositionPart>& parts, std::int64_t length,
                                               const std::string& text);

} // namespace headscope::methods
