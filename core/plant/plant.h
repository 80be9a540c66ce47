// SPDX-License-Identifier: GPL-3.0-or-later
// Planted models: Llama-format models whose weights are constructed, so that it is known what every head does. They are
// the ground truth that detectors are tested on; nothing here is shared with a detector.
// docs/planted-models.md says how each head works.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/plant/layout.h"

namespace headscope::plant {

struct Plant {
  PlantOptions options;
  std::vector<PlantedHead> heads; // all, by layer and head
  std::vector<std::string> files; // written, in the order of writing
};

// Writes config.json, model.safetensors, tokenizer.json, tokenizer_config.json and planted.json into a folder, which is
// created. The same options give the same bytes on every machine. Errors: those of draw_layout; already_exists when one
// of the files is there and overwrite is false; io.
Result<Plant> write_plant(const std::string& folder, const PlantOptions& options, bool overwrite);

// The heads that a detector must name: those of the kind itself; for sinks also heads that attend to the first token
// but write nothing, because the sink rate of Gu et al. measures attention alone.
std::vector<PlantedHead> heads_to_find(const std::vector<PlantedHead>& heads, Kind kind);

} // namespace headscope::plant
