// SPDX-License-Identifier: GPL-3.0-or-later
// A query x key map as a pyramid of tiles: level 0 holds the weights themselves, a cell of level n pools 2^n x 2^n of
// them. A tile is built from streamed blocks of weights; nothing of the map's full size is ever held.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

constexpr std::int64_t tile_side = 256; // cells; that of the tiles in result files
constexpr float masked_weight = -1.0F;  // of a cell whose keys all come after its queries
                                        // NaN: a weight that nobody has measured
// The lowest of a signed map, which no masked cell is taken for.
constexpr float lowest_difference = -0.99999994F;

// The shape of a map whose last query is at its last key; each query sees the keys up to its own position.
struct MapShape {
  std::int64_t n_query = 0, n_key = 0;
  bool is_signed = false; // a difference: of several weights the largest is the one of the largest size
  std::int64_t last_key(std::int64_t query) const { return query + n_key - n_query; }
  friend bool operator==(const MapShape&, const MapShape&) = default;
};

enum class Pooling : std::uint8_t { max, mean };

struct TileKey {
  int level = 0;
  std::int64_t row = 0, col = 0; // of tiles
  friend bool operator==(const TileKey&, const TileKey&) = default;
  friend auto operator<=>(const TileKey&, const TileKey&) = default;
};

// The weights [q_begin, q_end) x [k_begin, k_end).
struct Block {
  std::int64_t q_begin = 0, q_end = 0, k_begin = 0, k_end = 0;
  std::int64_t rows() const { return q_end - q_begin; }
  std::int64_t cols() const { return k_end - k_begin; }
  friend bool operator==(const Block&, const Block&) = default;
};

struct Tile {
  TileKey key;
  std::int64_t rows = 0, cols = 0; // cells; fewer than tile_side at the map's edge
  // Values row by row, over the weights of each cell that are not masked; at level 0 `mean` is empty and `max` is both.
  std::vector<float> max, mean;
  float highest_max = 0.0F, highest_mean = 0.0F; // in size
  bool complete = true;                          // false: cells that no weight has come to yet are NaN

  const std::vector<float>& values(Pooling pooling) const {
    return pooling == Pooling::mean && !mean.empty() ? mean : max;
  }
  float highest(Pooling pooling) const { return pooling == Pooling::mean ? highest_mean : highest_max; }
  float at(std::int64_t row, std::int64_t col, Pooling pooling) const {
    return values(pooling)[static_cast<std::size_t>(row * cols + col)];
  }
  std::size_t bytes() const { return (max.size() + mean.size()) * sizeof(float); }
};

// The number of cells of a level along an axis of `n` weights.
std::int64_t level_cells(std::int64_t n, int level);
// The number of levels; the last is a single tile.
int level_count(MapShape shape);
// The weights under a tile.
Block tile_block(MapShape shape, TileKey key);
// Whether all keys of the block come after its queries.
bool is_masked(MapShape shape, const Block& block);

// Reads weights row by row into a span of rows x cols; masked ones may have any value.
using ReadBlock = std::function<Status(const Block&, std::span<float>)>;

// Streams the weights of `region` in blocks that it takes in order: `take` sees each once, masked ones never. Returns
// cancelled when the task is.
Status stream_blocks(MapShape shape, const Block& region, const ReadBlock& read, const RunControl& control,
                     const std::function<void(const Block&, std::span<const float>)>& take);

// Builds one tile. `partial`, which may be empty, gets the unfinished tile about ten times a second.
Result<Tile> pool_tile(MapShape shape, TileKey key, const ReadBlock& read, const RunControl& control,
                       const std::function<void(Tile)>& partial);

} // namespace headscope::gui
