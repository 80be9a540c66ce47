// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/thumbnail_job.h"

#include <algorithm>

#include "app/gui/engine/attention_map.h"
#include "app/gui/engine/engine_state.h"

namespace headscope::gui {

int thumbnail_level(std::int64_t n_tokens, std::int64_t most_cells) {
  int level = 0;
  while (level_cells(n_tokens, level) > std::clamp<std::int64_t>(most_cells, 1, tile_side))
    ++level;
  return level;
}

Result<LayerThumbnails> layer_thumbnails(EngineState& state, const ThumbnailRequest& request,
                                         const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const TileKey whole{thumbnail_level(std::ssize(*request.tokens), request.most_cells), 0, 0};
  LayerThumbnails found{request.layer, {}};
  const std::int64_t n_heads = engine->config().n_heads;
  for (std::int64_t head = 0; head < n_heads; ++head) {
    control.report("reducing attention maps", head, n_heads);
    const AttentionRequest one{request.tokens, {{request.layer, head}}, request.ablation, state.plan};
    HS_ASSIGN(Tile tile, attention_tile(state, one, whole, control, {}));
    found.heads.push_back(std::move(tile));
  }
  return found;
}

} // namespace headscope::gui
