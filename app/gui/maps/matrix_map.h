// SPDX-License-Identifier: GPL-3.0-or-later
// A small map that is in memory: attention between units of text.
#pragma once

#include "app/gui/maps/map_source.h"

namespace headscope::gui {

class MatrixMap : public MapSource {
public:
  explicit MatrixMap(MassPointer mass) : MapSource({mass->n(), mass->n()}), mass_(std::move(mass)) {}

protected:
  // Computed at once, since there are at most a few thousand units.
  void fetch(TileKey key) override;
  void sum(const std::vector<std::int64_t>&) override {} // its cells are units already
  void give_up() override {}

private:
  MassPointer mass_;
};

} // namespace headscope::gui
