// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/tile.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace headscope::gui {
namespace {

// The size of a streamed block: whole tiles of a result file, a megabyte of weights.
constexpr std::int64_t block_rows = tile_side, block_cols = 4 * tile_side;
constexpr std::chrono::milliseconds partial_every{100};

// Collects the cells of one tile while weights are read.
class Pooler {
public:
  Pooler(MapShape shape, TileKey key) : shape_(shape), region_(tile_block(shape, key)) {
    tile_.key = key;
    tile_.rows = level_cells(region_.rows(), key.level);
    tile_.cols = level_cells(region_.cols(), key.level);
    const auto cells = static_cast<std::size_t>(tile_.rows * tile_.cols);
    tile_.max.assign(cells, -std::numeric_limits<float>::infinity());
    if (key.level > 0) {
      sums_.assign(cells, 0.0);
      counts_.assign(cells, 0);
    }
  }

  const Block& region() const { return region_; }

  void add(const Block& block, std::span<const float> weights) {
    for (std::int64_t q = block.q_begin; q < block.q_end; ++q) {
      const std::int64_t end = std::min(block.k_end, shape_.last_key(q) + 1);
      if (end > block.k_begin) add_row(q, block, end, weights.data() + (q - block.q_begin) * block.cols());
    }
  }

  Tile tile(bool complete) const {
    Tile tile = tile_;
    tile.complete = complete;
    if (tile.key.level > 0) tile.mean.assign(tile.max.size(), 0.0F);
    for (std::int64_t row = 0; row < tile.rows; ++row)
      for (std::int64_t col = 0; col < tile.cols; ++col)
        finish(tile, row, col);
    if (tile.key.level == 0) tile.highest_mean = tile.highest_max;
    return tile;
  }

private:
  void add_row(std::int64_t q, const Block& block, std::int64_t k_end, const float* weights) {
    const int level = tile_.key.level;
    const auto row = static_cast<std::size_t>(((q - region_.q_begin) >> level) * tile_.cols);
    for (std::int64_t k = block.k_begin; k < k_end; ++k) {
      const std::size_t cell = row + static_cast<std::size_t>((k - region_.k_begin) >> level);
      const float weight = weights[k - block.k_begin];
      if (level == 0) {
        tile_.max[cell] = weight;
      } else if (!std::isnan(weight)) {
        if (size_of(weight) > size_of(tile_.max[cell])) tile_.max[cell] = weight;
        sums_[cell] += weight;
        ++counts_[cell];
      }
    }
  }

  void finish(Tile& tile, std::int64_t row, std::int64_t col) const {
    const auto cell = static_cast<std::size_t>(row * tile.cols + col);
    const std::int64_t q_last = std::min(region_.q_end, region_.q_begin + ((row + 1) << tile.key.level)) - 1;
    const bool masked = region_.k_begin + (col << tile.key.level) > shape_.last_key(q_last);
    const float none = masked ? masked_weight : std::numeric_limits<float>::quiet_NaN();
    float& max = tile.max[cell];
    if (std::isinf(max)) max = none;
    if (!masked && size_of(max) > tile.highest_max) tile.highest_max = size_of(max);
    if (tile.key.level == 0) return;
    tile.mean[cell] = counts_[cell] == 0 ? none : static_cast<float>(sums_[cell] / counts_[cell]);
    if (!masked && size_of(tile.mean[cell]) > tile.highest_mean) tile.highest_mean = size_of(tile.mean[cell]);
  }

  // What weights are compared by; -inf stands for none yet.
  float size_of(float weight) const { return shape_.is_signed && std::isfinite(weight) ? std::fabs(weight) : weight; }

  MapShape shape_;
  Block region_;
  Tile tile_;
  std::vector<double> sums_;
  std::vector<std::uint32_t> counts_;
};

} // namespace

std::int64_t level_cells(std::int64_t n, int level) { return (n + (std::int64_t{1} << level) - 1) >> level; }

int level_count(MapShape shape) {
  int levels = 1;
  while (level_cells(std::max(shape.n_query, shape.n_key), levels - 1) > tile_side)
    ++levels;
  return levels;
}

Block tile_block(MapShape shape, TileKey key) {
  const std::int64_t side = tile_side << key.level;
  return {std::min(shape.n_query, key.row * side), std::min(shape.n_query, (key.row + 1) * side),
          std::min(shape.n_key, key.col * side), std::min(shape.n_key, (key.col + 1) * side)};
}

bool is_masked(MapShape shape, const Block& block) {
  return block.rows() <= 0 || block.cols() <= 0 || block.k_begin > shape.last_key(block.q_end - 1);
}

Status stream_blocks(MapShape shape, const Block& region, const ReadBlock& read, const RunControl& control,
                     const std::function<void(const Block&, std::span<const float>)>& take) {
  std::vector<float> weights;
  for (std::int64_t q = region.q_begin; q < region.q_end; q += block_rows)
    for (std::int64_t k = region.k_begin; k < region.k_end; k += block_cols) {
      if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
      const Block block{q, std::min(q + block_rows, region.q_end), k, std::min(k + block_cols, region.k_end)};
      if (is_masked(shape, block)) continue;
      weights.resize(static_cast<std::size_t>(block.rows() * block.cols()));
      HS_TRY(read(block, weights));
      take(block, weights);
    }
  return {};
}

Result<Tile> pool_tile(MapShape shape, TileKey key, const ReadBlock& read, const RunControl& control,
                       const std::function<void(Tile)>& partial) {
  using Clock = std::chrono::steady_clock;
  Pooler pooler(shape, key);
  Clock::time_point shown = Clock::now();
  const Block& region = pooler.region();
  HS_TRY(stream_blocks(shape, region, read, control, [&](const Block& block, std::span<const float> weights) {
    pooler.add(block, weights);
    if (Clock::now() - shown < partial_every) return;
    control.report("pooling", block.q_end - region.q_begin, region.rows());
    if (partial) partial(pooler.tile(false));
    shown = Clock::now();
  }));
  return pooler.tile(true);
}

} // namespace headscope::gui
