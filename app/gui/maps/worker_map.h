// SPDX-License-Identifier: GPL-3.0-or-later
// A map whose tiles are jobs of a worker thread: that of the engine, of files or of a test.
#pragma once

#include <QPointer>

#include "app/gui/maps/map_source.h"
#include "app/gui/work/worker.h"

namespace headscope::gui {

template <class State> class WorkerMap : public MapSource {
public:
  struct Read {
    std::function<Result<Tile>(State&, TileKey, const RunControl&, const std::function<void(Tile)>& partial)> tile;
    std::function<Result<UnitMass>(State&, const std::vector<std::int64_t>& begins, const RunControl&)> units;
  };

  // `title` is what its jobs are called.
  WorkerMap(Worker<State>& worker, MapShape shape, QString title, Read read)
      : MapSource(shape), worker_(&worker), title_(std::move(title)), read_(std::move(read)),
        lane_(QStringLiteral("map-%1").arg(reinterpret_cast<quintptr>(this), 0, 16)) {}

  ~WorkerMap() override {
    give_up();
    if (worker_) worker_->drop_lane(units_lane());
  }

protected:
  void fetch(TileKey key) override {
    if (!worker_) return;
    worker_->template post<Tile>({lane_, title_}, this,
                                 [read = read_.tile, key](State& state, const JobContext<Tile>& job) {
                                   return read(state, key, job.control, job.partial);
                                 },
                                 {[this, key](Result<Tile> tile) { take_tile(key, std::move(tile)); },
                                  [this, key](Tile tile) { take_tile(key, std::move(tile)); }});
  }

  void sum(const std::vector<std::int64_t>& begins) override {
    if (!worker_) return;
    worker_->template post<UnitMass>({units_lane(), title_}, this,
                                     [read = read_.units, begins](State& state, const JobContext<UnitMass>& job) {
                                       return read(state, begins, job.control);
                                     },
                                     {[this](Result<UnitMass> mass) { take_units(std::move(mass)); }});
  }

  void give_up() override {
    if (worker_) worker_->drop_lane(lane_);
  }

private:
  QString units_lane() const { return lane_ + QStringLiteral("-units"); }

  QPointer<Worker<State>> worker_; // a map may outlive it when the window closes
  QString title_;
  Read read_;
  QString lane_;
};

} // namespace headscope::gui
