// SPDX-License-Identifier: GPL-3.0-or-later
// Paints a map's tiles as a camera sees them, and knows which tiles that needs. Where a tile is not there yet, part of
// a coarser one is shown.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <QImage>
#include <QPainter>

#include "app/figures/color_map.h"
#include "app/gui/maps/map_source.h"
#include "app/gui/views/map/map_camera.h"

namespace headscope::gui {

class TilePainter {
public:
  void set_map(std::shared_ptr<MapSource> map);
  const std::shared_ptr<MapSource>& map() const { return map_; }
  void set_colors(const figures::ResolvedScale& scale, Pooling pooling);
  const figures::ResolvedScale& scale() const { return scale_; }
  Pooling pooling() const { return pooling_; }
  void forget(TileKey key) { images_.erase(key); } // the tile has changed
  void forget_all() { images_.clear(); }

  // The level at which a cell of the map is at least one device pixel.
  int level(const MapCamera& camera, double pixel_ratio) const;
  // The level at which the whole map is kept as a backdrop and for export: at most 2,048 cells a side.
  int whole_level() const;
  // The visible tiles, the middle first; then those of the whole map.
  std::vector<TileKey> wanted(const MapCamera& camera, double pixel_ratio) const;

  // Returns false when there were more tiles to colour than one frame has time for; then paint again.
  bool paint(QPainter& painter, const MapCamera& camera, double pixel_ratio);
  // The finest known value of a weight; unset where none is known.
  struct Value {
    float weight = 0.0F;
    int level = 0;
  };
  std::optional<Value> value(std::int64_t query, std::int64_t key) const;

private:
  struct Colored {
    MapSource::TilePointer tile;
    QImage image;
  };
  struct Pass;
  std::vector<TileKey> visible(const MapCamera& camera, int level) const;
  const QImage* image(const MapSource::TilePointer& tile, Pass& pass);
  void paint_tile(Pass& pass, TileKey key);
  void draw(Pass& pass, const QImage& image, TileKey key, const Block& region);

  std::shared_ptr<MapSource> map_;
  figures::ResolvedScale scale_;
  Pooling pooling_ = Pooling::max;
  std::map<TileKey, Colored> images_;
};

} // namespace headscope::gui
