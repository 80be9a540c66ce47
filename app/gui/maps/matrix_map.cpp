// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/matrix_map.h"

#include <algorithm>

namespace headscope::gui {

void MatrixMap::fetch(TileKey key) {
  const ReadBlock read = [this](const Block& block, std::span<float> out) -> Status {
    for (std::int64_t q = block.q_begin; q < block.q_end; ++q)
      std::copy_n(mass_->values.begin() + q * mass_->n() + block.k_begin, block.cols(),
                  out.begin() + (q - block.q_begin) * block.cols());
    return {};
  };
  Result<Tile> tile = pool_tile(shape(), key, read, {}, {});
  // Answers later, as every other source does.
  QMetaObject::invokeMethod(
      this, [this, key, tile = std::move(tile)]() mutable { take_tile(key, std::move(tile)); }, Qt::QueuedConnection);
}

} // namespace headscope::gui
