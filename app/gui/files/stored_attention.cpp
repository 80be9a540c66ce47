// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/stored_attention.h"

#include <algorithm>

#include "app/gui/files/file_state.h"

namespace headscope::gui {
namespace {

Result<ReadBlock> reader_of(FileState& state, const StoredAttention& request) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(request.path));
  if (request.maps.empty()) return make_error(ErrorCode::not_found, "has no map of this head", request.path);
  return ReadBlock([reader, &request](const Block& block, std::span<float> out) -> Status {
    std::fill(out.begin(), out.end(), 0.0F);
    const auto share = 1.0F / static_cast<float>(request.maps.size());
    for (const std::int64_t map : request.maps) {
      HS_ASSIGN(const std::vector<float> weights,
                reader->attention_tile(request.prompt, map, block.q_begin, block.q_end, block.k_begin, block.k_end));
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] += share * weights[i];
    }
    return {};
  });
}

} // namespace

Result<Tile> stored_tile(FileState& state, const StoredAttention& request, TileKey key, const RunControl& control,
                         const std::function<void(Tile)>& partial) {
  HS_ASSIGN(const ReadBlock read, reader_of(state, request));
  return pool_tile(request.shape, key, read, control, partial);
}

Result<UnitMass> stored_units(FileState& state, const StoredAttention& request, const std::vector<std::int64_t>& begins,
                              const RunControl& control) {
  HS_ASSIGN(const ReadBlock read, reader_of(state, request));
  return sum_units(request.shape, begins, read, control);
}

} // namespace headscope::gui
