// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/tile_painter.h"

#include <algorithm>
#include <cmath>

#include <QElapsedTimer>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr std::int64_t whole_side = 2048;
constexpr qint64 coloring_ms = 8; // of a frame
constexpr std::size_t kept_images = 384;

QRgb color_of(const figures::ResolvedScale& scale, const std::array<QRgb, 256>& table, float value, QRgb nan) {
  if (value == masked_weight) return inks().page.rgb();
  if (std::isnan(value)) return nan;
  return table[static_cast<std::size_t>(scale.position(static_cast<double>(value)) * 255.0 + 0.5)];
}

QImage colored(const Tile& tile, const figures::ResolvedScale& scale, Pooling pooling) {
  std::array<QRgb, 256> table;
  const auto& colors =
      scale.kind == figures::ScaleKind::diverging ? figures::vik_data : figures::colors_of(value_colors());
  std::transform(colors.begin(), colors.end(), table.begin(), [](std::uint32_t rgb) { return 0xff000000U | rgb; });
  // Unknown cells of an unfinished tile are transparent, so that the coarser tile below is visible.
  const QRgb nan = tile.complete ? inks().nan.rgb() : qRgba(0, 0, 0, 0);
  // Uses a format without transparency where there is none, which paints several times as fast.
  const QImage::Format format = tile.complete ? QImage::Format_RGB32 : QImage::Format_ARGB32_Premultiplied;
  QImage image(static_cast<int>(tile.cols), static_cast<int>(tile.rows), format);
  const std::vector<float>& values = tile.values(pooling);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    auto* line = reinterpret_cast<QRgb*>(image.scanLine(static_cast<int>(row)));
    const float* value = values.data() + row * tile.cols;
    for (std::int64_t col = 0; col < tile.cols; ++col)
      line[col] = color_of(scale, table, value[col], nan);
  }
  return image;
}

} // namespace

struct TilePainter::Pass {
  QPainter& painter;
  const MapCamera& camera;
  double pixel_ratio;
  QElapsedTimer clock = {};
  bool complete = true;
};

void TilePainter::set_map(std::shared_ptr<MapSource> map) {
  map_ = std::move(map);
  images_.clear();
}

void TilePainter::set_colors(const figures::ResolvedScale& scale, Pooling pooling) {
  const bool same = pooling == pooling_ && scale.low == scale_.low && scale.high == scale_.high &&
                    scale.log == scale_.log && scale.kind == scale_.kind;
  if (same) return;
  scale_ = scale;
  pooling_ = pooling;
  images_.clear();
}

int TilePainter::level(const MapCamera& camera, double pixel_ratio) const {
  const double pixels = camera.cell() * pixel_ratio;
  const int level = pixels >= 1.0 ? 0 : static_cast<int>(std::ceil(-std::log2(pixels) - 1e-9));
  return std::clamp(level, 0, map_ ? map_->levels() - 1 : 0);
}

int TilePainter::whole_level() const {
  const MapShape shape = map_->shape();
  int level = 0;
  while (level_cells(std::max(shape.n_query, shape.n_key), level) > whole_side)
    ++level;
  return level;
}

std::vector<TileKey> TilePainter::visible(const MapCamera& camera, int level) const {
  const QRectF seen = camera.visible();
  std::vector<TileKey> keys;
  if (seen.isEmpty()) return keys;
  const auto side = static_cast<double>(tile_side << level);
  const QPointF first = camera.to_map(seen.topLeft()) / side, last = camera.to_map(seen.bottomRight()) / side;
  for (auto row = static_cast<std::int64_t>(first.y()); static_cast<double>(row) < last.y(); ++row)
    for (auto col = static_cast<std::int64_t>(first.x()); static_cast<double>(col) < last.x(); ++col) {
      const TileKey key{level, row, col};
      if (!is_masked(map_->shape(), tile_block(map_->shape(), key))) keys.push_back(key);
    }
  const QPointF middle = (first + last) / 2;
  const auto distance = [&](const TileKey& key) {
    const QPointF from = QPointF(static_cast<double>(key.col) + 0.5, static_cast<double>(key.row) + 0.5) - middle;
    return QPointF::dotProduct(from, from);
  };
  std::stable_sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  return keys;
}

std::vector<TileKey> TilePainter::wanted(const MapCamera& camera, double pixel_ratio) const {
  if (!map_) return {};
  std::vector<TileKey> keys = visible(camera, level(camera, pixel_ratio));
  const int whole = whole_level();
  const auto add = [&](TileKey key) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  };
  const std::int64_t rows = level_cells(map_->shape().n_query, whole), cols = level_cells(map_->shape().n_key, whole);
  for (std::int64_t row = 0; row * tile_side < rows; ++row)
    for (std::int64_t col = 0; col * tile_side < cols; ++col)
      add({whole, row, col});
  return keys;
}

// Returns the tile's image, or null when this frame has no time left for it.
const QImage* TilePainter::image(const MapSource::TilePointer& tile, Pass& pass) {
  const auto found = images_.find(tile->key);
  if (found != images_.end() && found->second.tile == tile) return &found->second.image;
  if (pass.clock.elapsed() >= coloring_ms) {
    pass.complete = false;
    return nullptr;
  }
  Colored& place = images_[tile->key];
  place = {tile, colored(*tile, scale_, pooling_)};
  return &place.image;
}

// Draws the part of a tile's image that shows `region`, with edges on whole pixels, so that tiles meet without a seam.
void TilePainter::draw(Pass& pass, const QImage& image, TileKey key, const Block& region) {
  const QRectF seen = pass.camera.area();
  const QPointF from = pass.camera.to_map(seen.topLeft()), to = pass.camera.to_map(seen.bottomRight());
  const auto cells = [&](std::int64_t begin, std::int64_t end, double low, double high) {
    const std::int64_t origin = begin / (tile_side << key.level) * (tile_side << key.level);
    const auto first = std::max(begin, static_cast<std::int64_t>(std::floor(low)));
    const auto last = std::min(end, static_cast<std::int64_t>(std::ceil(high)));
    return std::pair((first - origin) >> key.level, level_cells(std::max(last - origin, std::int64_t{0}), key.level));
  };
  const auto [left, right] = cells(region.k_begin, region.k_end, from.x(), to.x());
  const auto [top, bottom] = cells(region.q_begin, region.q_end, from.y(), to.y());
  if (right <= left || bottom <= top) return;
  const auto snap = [&](double x) { return std::round(x * pass.pixel_ratio) / pass.pixel_ratio; };
  const auto corner = [&](std::int64_t col, std::int64_t row) {
    const auto side = tile_side << key.level;
    const MapShape shape = map_->shape();
    const QPointF at =
        pass.camera.to_screen(static_cast<double>(std::min(shape.n_key, key.col * side + (col << key.level))),
                              static_cast<double>(std::min(shape.n_query, key.row * side + (row << key.level))));
    return QPointF(snap(at.x()), snap(at.y()));
  };
  pass.painter.drawImage(QRectF(corner(left, top), corner(right, bottom)), image,
                         QRectF(static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left),
                                static_cast<double>(bottom - top)));
}

void TilePainter::paint_tile(Pass& pass, TileKey key) {
  const Block region = tile_block(map_->shape(), key);
  const MapSource::TilePointer own = map_->tile(key);
  const QImage* fine = own ? image(own, pass) : nullptr;
  if (!fine || !own->complete)
    for (TileKey coarse = key; coarse.level + 1 < map_->levels();) {
      coarse = {coarse.level + 1, coarse.row / 2, coarse.col / 2};
      const MapSource::TilePointer tile = map_->tile(coarse);
      const QImage* picture = tile ? image(tile, pass) : nullptr;
      if (!picture) continue;
      draw(pass, *picture, coarse, region);
      break;
    }
  if (fine) draw(pass, *fine, key, region);
}

bool TilePainter::paint(QPainter& painter, const MapCamera& camera, double pixel_ratio) {
  if (!map_) return true;
  if (images_.size() >= kept_images) images_.clear();
  Pass pass{painter, camera, pixel_ratio};
  pass.clock.start();
  painter.save();
  painter.setClipRect(camera.area());
  painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
  for (const TileKey& key : visible(camera, level(camera, pixel_ratio)))
    paint_tile(pass, key);
  painter.restore();
  return pass.complete;
}

std::optional<TilePainter::Value> TilePainter::value(std::int64_t query, std::int64_t key) const {
  if (!map_) return std::nullopt;
  for (int level = 0; level < map_->levels(); ++level) {
    const std::int64_t row = query >> level, col = key >> level;
    const MapSource::TilePointer tile = map_->tile({level, row / tile_side, col / tile_side});
    if (tile && tile->complete) return Value{tile->at(row % tile_side, col % tile_side, pooling_), level};
  }
  return std::nullopt;
}

} // namespace headscope::gui
