// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/map_source.h"

#include <algorithm>

namespace headscope::gui {

void MapSource::want(std::vector<TileKey> keys) {
  protected_ = std::set<TileKey>(keys.begin(), keys.end());
  std::erase_if(keys, [&](const TileKey& key) {
    const auto found = tiles_.find(key);
    const bool there = found != tiles_.end() && found->second.tile->complete;
    return there || impossible_.count(key) != 0 || fetching_ == key || is_masked(shape_, tile_block(shape_, key));
  });
  std::reverse(keys.begin(), keys.end());
  wanted_ = std::move(keys);
  if (fetching_ && protected_.count(*fetching_) == 0) {
    give_up();
    fetching_.reset();
  }
  evict();
  fetch_next();
}

MapSource::TilePointer MapSource::tile(TileKey key) const {
  const auto found = tiles_.find(key);
  if (found == tiles_.end()) return nullptr;
  found->second.used = ++clock_;
  return found->second.tile;
}

void MapSource::set_budget(std::size_t bytes) {
  budget_ = bytes;
  evict();
}

void MapSource::request_units(const std::vector<std::int64_t>& begins) {
  summing_ = true;
  sum(begins);
}

void MapSource::fetch_next() {
  if (fetching_ || wanted_.empty()) return;
  fetching_ = wanted_.back();
  wanted_.pop_back();
  fetch(*fetching_);
}

void MapSource::take_tile(TileKey key, Result<Tile> tile) {
  const bool last = !tile.ok() || tile->complete;
  if (last) fetching_.reset();
  if (tile.ok()) {
    keep(std::move(*tile));
    if (last) fetch_next(); // before the view paints: the thread has work meanwhile
    Q_EMIT tile_ready(key);
    return;
  }
  wanted_.clear(); // what has failed once would fail for every tile
  if (tile.error().code != ErrorCode::cancelled) impossible_.insert(key);
  Q_EMIT failed(tile.error());
}

void MapSource::take_units(Result<UnitMass> mass) {
  summing_ = false;
  if (mass.ok())
    Q_EMIT units_ready(std::make_shared<const UnitMass>(std::move(*mass)));
  else
    Q_EMIT failed(mass.error());
}

void MapSource::keep(Tile tile) {
  highest_max_ = std::max(highest_max_, tile.highest_max);
  highest_mean_ = std::max(highest_mean_, tile.highest_mean);
  const TileKey key = tile.key;
  Kept& kept = tiles_[key];
  if (kept.tile) bytes_ -= kept.tile->bytes();
  kept.tile = std::make_shared<const Tile>(std::move(tile));
  kept.used = ++clock_;
  bytes_ += kept.tile->bytes();
  evict();
}

void MapSource::evict() {
  while (bytes_ > budget_) {
    auto oldest = tiles_.end();
    for (auto it = tiles_.begin(); it != tiles_.end(); ++it)
      if (protected_.count(it->first) == 0 && (oldest == tiles_.end() || it->second.used < oldest->second.used))
        oldest = it;
    if (oldest == tiles_.end()) return;
    bytes_ -= oldest->second.tile->bytes();
    tiles_.erase(oldest);
  }
}

} // namespace headscope::gui
