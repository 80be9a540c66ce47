// SPDX-License-Identifier: GPL-3.0-or-later
// The source of a map's tiles. A view says which tiles it wants now; they are fetched in the background one after the
// other, the most wanted first, and kept until there are too many.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <QObject>

#include "app/gui/maps/tile.h"
#include "app/gui/maps/unit_mass.h"

namespace headscope::gui {

class MapSource : public QObject {
  Q_OBJECT
public:
  using TilePointer = std::shared_ptr<const Tile>;
  using MassPointer = std::shared_ptr<const UnitMass>;

  explicit MapSource(MapShape shape) : shape_(shape), levels_(level_count(shape)) {}

  MapShape shape() const { return shape_; }
  int levels() const { return levels_; }

  // Replaces the wanted tiles. A tile being fetched that is no longer wanted is cancelled.
  void want(std::vector<TileKey> keys);
  // Returns the tile, or null when it is not there (any more).
  TilePointer tile(TileKey key) const;
  // The highest value of all tiles so far, for the upper end of a colour scale.
  float highest(Pooling pooling) const { return pooling == Pooling::max ? highest_max_ : highest_mean_; }
  // Whether everything wanted has come or failed.
  bool settled() const { return !fetching_ && wanted_.empty() && !summing_; }

  // Sets how many bytes of tiles are kept besides the wanted ones.
  void set_budget(std::size_t bytes);
  std::size_t kept_bytes() const { return bytes_; }

  // Requests sums over units, answered by units_ready(); the newest request wins.
  void request_units(const std::vector<std::int64_t>& begins);

Q_SIGNALS:
  void tile_ready(const headscope::gui::TileKey& key); // whole, or more of it than before
  void units_ready(const headscope::gui::MapSource::MassPointer& mass);
  void failed(const headscope::Error& error);

protected:
  // Starts the work, whose answers go to take_tile() and take_units(). A new fetch() replaces the one before.
  virtual void fetch(TileKey key) = 0;
  virtual void sum(const std::vector<std::int64_t>& begins) = 0;
  virtual void give_up() = 0; // of fetch()
  void take_tile(TileKey key, Result<Tile> tile);
  void take_units(Result<UnitMass> mass);

private:
  struct Kept {
    TilePointer tile;
    mutable std::uint64_t used = 0;
  };
  void fetch_next();
  void keep(Tile tile);
  void evict();

  MapShape shape_;
  int levels_;
  std::map<TileKey, Kept> tiles_;
  std::vector<TileKey> wanted_;  // not there yet, the most wanted last
  std::set<TileKey> protected_;  // what was wanted at last
  std::set<TileKey> impossible_; // failed once
  std::optional<TileKey> fetching_;
  bool summing_ = false;
  std::size_t bytes_ = 0, budget_ = std::size_t{192} << 20;
  mutable std::uint64_t clock_ = 0;
  float highest_max_ = 0.0F, highest_mean_ = 0.0F;
};

} // namespace headscope::gui
