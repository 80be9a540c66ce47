// SPDX-License-Identifier: GPL-3.0-or-later
// Reads attention maps of a result file tile by tile. Jobs of the file thread.
#pragma once

#include <string>
#include <vector>

#include "app/gui/maps/tile.h"
#include "app/gui/maps/unit_mass.h"

namespace headscope::gui {

struct FileState;

struct StoredAttention {
  std::string path, prompt;
  std::vector<std::int64_t> maps; // places of heads in the file; the mean of them
  MapShape shape;
};

Result<Tile> stored_tile(FileState& state, const StoredAttention& request, TileKey key, const RunControl& control,
                         const std::function<void(Tile)>& partial);
Result<UnitMass> stored_units(FileState& state, const StoredAttention& request, const std::vector<std::int64_t>& begins,
                              const RunControl& control);

} // namespace headscope::gui
