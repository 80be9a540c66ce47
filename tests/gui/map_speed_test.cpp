// SPDX-License-Identifier: GPL-3.0-or-later
// Large maps whose tiles come slowly: the interface thread must not notice.
#include <QElapsedTimer>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "app/gui/maps/worker_map.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/map/map_grid.h"
#include "tests/gui/loop_stall.h"
#include "tests/gui/patience.h"
#include "tests/timed.h"

namespace headscope::gui {
namespace {

struct SlowState {
  std::atomic<std::size_t> largest_block = 0;
  std::atomic<int> tiles = 0;
};
using SlowWorker = Worker<SlowState>;

// Each query attends to the key `distance` before it, and to the first one. Pools exactly without reading every weight,
// but not before `delay` has passed.
Tile striped_tile(MapShape shape, TileKey key, std::int64_t distance) {
  const Block block = tile_block(shape, key);
  Tile tile;
  tile.key = key;
  tile.rows = level_cells(block.rows(), key.level);
  tile.cols = level_cells(block.cols(), key.level);
  tile.highest_max = tile.highest_mean = 1.0F;
  const std::int64_t side = std::int64_t{1} << key.level;
  for (std::int64_t r = 0; r < tile.rows; ++r)
    for (std::int64_t c = 0; c < tile.cols; ++c) {
      const std::int64_t q = block.q_begin + r * side, k = block.k_begin + c * side;
      const bool masked = k > q + side - 1;
      const bool on_stripe = k <= q + side - 1 - distance && q - distance <= k + side - 1;
      tile.max.push_back(masked ? masked_weight : on_stripe || k == 0 ? 1.0F : 0.0F);
    }
  if (key.level > 0) tile.mean = tile.max;
  return tile;
}

std::shared_ptr<MapSource> slow_map(SlowWorker& worker, std::int64_t n, std::chrono::milliseconds delay,
                                    std::int64_t distance) {
  const MapShape shape{n, n};
  WorkerMap<SlowState>::Read read;
  read.tile = [=](SlowState& state, TileKey key, const RunControl&, const auto&) {
    std::this_thread::sleep_for(delay);
    ++state.tiles;
    return Result<Tile>(striped_tile(shape, key, distance));
  };
  read.units = [](SlowState&, const auto&, const RunControl&) { return Result<UnitMass>(UnitMass{}); };
  return std::make_shared<WorkerMap<SlowState>>(worker, shape, QStringLiteral("Slow"), std::move(read));
}

MapCanvas::Labels numbers() {
  MapCanvas::Labels labels;
  labels.query = labels.key = [](std::int64_t i) { return QStringLiteral("token%1").arg(i); };
  return labels;
}

void drag(MapCanvas& canvas, QPoint from, QPoint by, int steps) {
  QTest::mousePress(&canvas, Qt::LeftButton, {}, from);
  for (int i = 1; i <= steps; ++i) {
    QTest::mouseMove(&canvas, from + by * i / steps);
    QTest::qWait(4);
  }
  QTest::mouseRelease(&canvas, Qt::LeftButton, {}, from + by);
}

} // namespace

class MapSpeedTest : public QObject {
  Q_OBJECT
private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::dark, 1.0); }

  // 131,072 tokens, each tile 15 ms of work of another thread.
  void a_huge_map_never_stalls_the_event_loop() {
    auto state = std::make_shared<SlowState>();
    SlowWorker worker(QStringLiteral("slow"), state);
    MapGrid grid(QStringLiteral("weight"));
    grid.resize(1280, 800);
    grid.show();
    QVERIFY(QTest::qWaitForWindowExposed(&grid, test::patience_ms));
    grid.grab(); // the first text drawn loads fonts
    const auto map = slow_map(worker, 131072, std::chrono::milliseconds(15), 50000);
    const test::LoopStall meter;
    grid.set_labels(numbers());
    grid.set_items({{QStringLiteral("slow"), map}});
    MapCanvas& canvas = *grid.canvases().front();
    QTest::qWait(300);
    const QPoint middle = canvas.camera().area().center().toPoint();
    for (int i = 0; i < 40; ++i) { // to single weights, moving on the way
      canvas.zoom(1.35);
      QTest::qWait(8);
      if (i % 8 == 4) drag(canvas, middle, QPoint(-120, -90), 10);
    }
    QVERIFY(canvas.level() == 0);
    QVERIFY(!map->settled() || state->tiles > 0);
    for (int i = 0; i < 40; ++i) {
      canvas.zoom(1.0 / 1.35);
      QTest::qWait(4);
    }
    grid.set_log(true);
    grid.set_pooling(Pooling::mean);
    QTest::qWait(100);
    std::printf("[ MEASURED ] longest stall with 131,072 tokens: %.1f ms (a thread that sleeps beside it: %.1f ms), "
                "%d tiles\n",
                meter.longest_ms(), meter.longest_sleep_ms(), state->tiles.load());
    // Only tiles are kept, never the map: 131,072^2 weights would be 64 GiB.
    QVERIFY(map->kept_bytes() < std::size_t{256} << 20);
    if (!headscope::test::timed()) QSKIP(headscope::test::not_timed);
    QVERIFY2(meter.longest_ms() <= 50.0 + meter.longest_sleep_ms(), qPrintable(QString::number(meter.longest_ms())));
  }

  void the_stripe_of_a_huge_map_is_seen_at_every_zoom() {
    auto state = std::make_shared<SlowState>();
    SlowWorker worker(QStringLiteral("slow"), state);
    MapGrid grid(QStringLiteral("weight"));
    grid.resize(900, 800);
    grid.show();
    constexpr std::int64_t distance = 50000;
    const auto map = slow_map(worker, 131072, std::chrono::milliseconds(0), distance);
    grid.set_labels(numbers());
    grid.set_items({{QStringLiteral("slow"), map}});
    MapCanvas& canvas = *grid.canvases().front();
    for (const double cell : {0.0, 0.02, 0.3, 2.0, 30.0}) {
      canvas.set_place({QPointF(40000.5, 90000.5), cell, cell == 0.0});
      QTRY_VERIFY(canvas.settled());
      const MapCanvas::Cell on{90000, 90000 - distance};
      const QImage image = canvas.grab().toImage();
      const QColor bright = value_color(canvas.tiles().scale(), 1.0);
      // Within a pixel: where the map is pooled, a cell is up to two pixels wide.
      bool found = false;
      const QPoint at = canvas.cell_rect(on).center().toPoint();
      for (int dx = -2; dx <= 2; ++dx)
        found = found || image.pixelColor(at + QPoint(dx, 0)) == bright;
      QVERIFY2(found, qPrintable(QString::number(cell)));
      const QPoint beside = at + QPoint(cell > 10 ? static_cast<int>(2 * cell) : 12, 0);
      QVERIFY(image.pixelColor(beside) == value_color(canvas.tiles().scale(), 0.0));
    }
  }

  // While the finer tile is being fetched, the coarser one is shown.
  void a_coarser_tile_stands_in() {
    auto state = std::make_shared<SlowState>();
    SlowWorker worker(QStringLiteral("slow"), state);
    MapGrid grid(QStringLiteral("weight"));
    grid.resize(700, 600);
    grid.show();
    const auto map = slow_map(worker, 8192, std::chrono::milliseconds(30), 3000);
    grid.set_labels(numbers());
    grid.set_items({{QStringLiteral("slow"), map}});
    MapCanvas& canvas = *grid.canvases().front();
    QTRY_VERIFY(canvas.settled());
    canvas.set_place({QPointF(3000.5, 6000.5), 8.0, false});
    QVERIFY(!map->settled());
    const QImage image = canvas.grab().toImage();
    QVERIFY(image.pixelColor(canvas.cell_rect({6000, 3000}).center().toPoint()) ==
            value_color(canvas.tiles().scale(), 1.0));
    QVERIFY(image.pixelColor(canvas.cell_rect({6000, 3030}).center().toPoint()) ==
            value_color(canvas.tiles().scale(), 0.0));
  }

  void what_is_no_longer_wanted_is_given_up() {
    auto state = std::make_shared<SlowState>();
    SlowWorker worker(QStringLiteral("slow"), state);
    const auto map = slow_map(worker, 65536, std::chrono::milliseconds(5), 100);
    std::vector<TileKey> many;
    for (int i = 0; i < 200; ++i)
      many.push_back({0, 200, i});
    map->want(many);
    QTRY_VERIFY(state->tiles > 0); // it is at them
    map->want({{8, 0, 0}});
    QTRY_VERIFY(map->tile({8, 0, 0}));
    QTRY_VERIFY(map->settled());
    QVERIFY(state->tiles < 60);
    // Beyond the budget the oldest tiles are dropped; wanted ones stay.
    map->set_budget(1 << 20);
    QVERIFY(map->kept_bytes() <= std::size_t{1} << 20);
    QVERIFY(map->tile({8, 0, 0}));
  }

  // Prints frame times without asserting them, since a busy machine has slow frames.
  void frame_time_at_4096_tokens() {
    auto state = std::make_shared<SlowState>();
    SlowWorker worker(QStringLiteral("slow"), state);
    for (const QSize size : {QSize(1280, 800), QSize(3840, 2160)}) {
      MapGrid grid(QStringLiteral("weight"));
      grid.resize(size);
      grid.show();
      const auto map = slow_map(worker, 4096, std::chrono::milliseconds(0), 1000);
      grid.set_labels(numbers());
      grid.set_items({{QStringLiteral("slow"), map}});
      MapCanvas& canvas = *grid.canvases().front();
      QTRY_VERIFY(canvas.settled());
      QImage frame(canvas.size(), QImage::Format_ARGB32_Premultiplied);
      for (const double cell : {0.0, 0.6, 1.0, 4.0, 20.0, 60.0}) {
        canvas.set_place({QPointF(1500, 2500), cell, cell == 0.0});
        QTRY_VERIFY(canvas.settled());
        canvas.render(&frame);
        const std::clock_t begin = std::clock(); // of the processor: others may keep it busy
        constexpr int frames = 20;
        for (int i = 0; i < frames; ++i) {
          canvas.set_place({QPointF(1500 + i, 2500 + i), cell, cell == 0.0});
          canvas.render(&frame);
        }
        std::printf("[ MEASURED ] %d x %d, %.1f pixels a weight: %.1f ms a frame\n", size.width(), size.height(), cell,
                    1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / frames);
      }
      QVERIFY(map->kept_bytes() < std::size_t{4096} * 4096 * sizeof(float) * 3);
    }
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::MapSpeedTest)
#include "map_speed_test.moc"
