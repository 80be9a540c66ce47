// SPDX-License-Identifier: GPL-3.0-or-later
// The attention maps of all heads of a layer, reduced to so few cells that they can be looked at side by side. A job of
// the engine's thread.
#pragma once

#include <memory>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "app/gui/maps/tile.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

struct ThumbnailRequest {
  std::shared_ptr<const std::vector<std::int64_t>> tokens;
  int layer = 0;
  AblationInput ablation;       // what is ablated while the model runs
  std::int64_t most_cells = 48; // along an axis; at most tile_side
};

struct LayerThumbnails {
  int layer = 0;
  std::vector<Tile> heads; // the whole map of each as one tile
};

// The level of a map's pyramid at which it has at most so many cells along an axis.
int thumbnail_level(std::int64_t n_tokens, std::int64_t most_cells);

// cancelled when the task is.
Result<LayerThumbnails> layer_thumbnails(EngineState& state, const ThumbnailRequest& request,
                                         const RunControl& control);

} // namespace headscope::gui
