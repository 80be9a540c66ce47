// SPDX-License-Identifier: GPL-3.0-or-later
// Attention maps of the open model, as it is or with heads ablated, tile by tile. Jobs of the engine's thread. The q
// and k of a layer are kept, and of each row the log of its softmax's sum, so that any tile of a prompt of any length
// is computed by itself.
#pragma once

#include <memory>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "app/gui/maps/tile.h"
#include "app/gui/maps/unit_mass.h"

namespace headscope::gui {

struct EngineState;

struct AttentionRequest {
  std::shared_ptr<const std::vector<std::int64_t>> tokens;
  std::vector<HeadId> heads; // the mean of them
  AblationInput ablation;    // what is ablated while the model runs
  std::string plan;          // that the model runs under (attention_plan.h)
  // What is taken off: nothing, the same without ablation, or the same under full attention.
  enum class Less : std::uint8_t { nothing, clean, full } less = Less::nothing;

  MapShape shape() const {
    const auto n = static_cast<std::int64_t>(tokens->size());
    return {n, n, less != Less::nothing};
  }
};

// Returns not_found when no model is open; invalid_argument for a head that it does not have.
Result<Tile> attention_tile(EngineState& state, const AttentionRequest& request, TileKey key, const RunControl& control,
                            const std::function<void(Tile)>& partial);
Result<UnitMass> attention_units(EngineState& state, const AttentionRequest& request,
                                 const std::vector<std::int64_t>& begins, const RunControl& control);

} // namespace headscope::gui
