// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/map_grid.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QVBoxLayout>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {
constexpr double log_decades = 1e-4; // what a logarithmic scale shows below its upper end
}

MapGrid::MapGrid(const QString& legend, QWidget* parent)
    : QWidget(parent), grid_(new QGridLayout), bar_(new ColorBar), legend_(legend) {
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->addLayout(grid_, 1);
  row->addWidget(bar_);
  grid_->setContentsMargins(0, 0, 0, 0);
  add_panel();
  update_scale();
}

void MapGrid::add_panel() {
  Panel panel{new QWidget, new QLabel, new MapCanvas};
  auto* column = new QVBoxLayout(panel.box);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  panel.title->setAlignment(Qt::AlignCenter);
  column->addWidget(panel.title);
  column->addWidget(panel.canvas, 1);
  MapCanvas* canvas = panel.canvas;
  connect(canvas, &MapCanvas::place_changed, this, [this, canvas] { follow(*canvas); });
  connect(canvas, &MapCanvas::hover_changed, this, &MapGrid::hover_changed);
  connect(canvas, &MapCanvas::cell_clicked, this, &MapGrid::cell_clicked);
  connect(canvas, &MapCanvas::label_clicked, this, &MapGrid::label_clicked);
  connect(canvas, &MapCanvas::pin_cleared, this, &MapGrid::pin_cleared);
  connect(canvas, &MapCanvas::menu_wanted, this,
          [this, at = panels_.size()](const MapCanvas::Cell& cell, const QPoint& place) {
            Q_EMIT menu_wanted(at, cell, place);
          });
  panel.canvas->set_labels(labels_);
  panels_.push_back(panel);
}

void MapGrid::set_items(const std::vector<Item>& items) {
  while (panels_.size() < items.size())
    add_panel();
  const MapCamera::Viewport place = panels_.front().canvas->camera().place();
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    const Panel& panel = panels_[i];
    MapSource* before = panel.canvas->map().get();
    const std::shared_ptr<MapSource> map = i < items.size() ? items[i].map : nullptr;
    if (before && before != map.get()) disconnect(before, nullptr, this, nullptr);
    if (map && before != map.get()) connect(map.get(), &MapSource::tile_ready, this, &MapGrid::update_scale);
    panel.title->setText(i < items.size() ? items[i].title : QString());
    panel.title->setVisible(items.size() > 1);
    panel.canvas->set_map(map);
    panel.canvas->setAccessibleName(map ? tr("Attention map of %1").arg(items[i].title) : QString());
    // A map added beside others starts at their position.
    if (i > 0 && map && map->shape() == items.front().map->shape()) panel.canvas->set_place(place);
  }
  const bool other_number = items.size() != items_.size();
  items_ = items;
  if (other_number) arrange();
  update_scale();
}

void MapGrid::arrange() {
  for (const Panel& panel : panels_)
    grid_->removeWidget(panel.box);
  const int columns = std::max(1, static_cast<int>(std::ceil(std::sqrt(static_cast<double>(items_.size())))));
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    panels_[i].box->setVisible(i < items_.size() || i == 0);
    if (i < items_.size() || i == 0)
      grid_->addWidget(panels_[i].box, static_cast<int>(i) / columns, static_cast<int>(i) % columns);
  }
}

void MapGrid::set_labels(const MapCanvas::Labels& labels) {
  labels_ = labels;
  for (const Panel& panel : panels_)
    panel.canvas->set_labels(labels);
}

void MapGrid::set_pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key) {
  for (const Panel& panel : panels_)
    panel.canvas->set_pinned(query, key);
}

void MapGrid::set_log(bool log) {
  log_ = log;
  update_scale();
}

void MapGrid::set_pooling(Pooling pooling) {
  pooling_ = pooling;
  update_scale();
}

void MapGrid::update_scale() {
  float highest = 0.0F;
  bool is_signed = false;
  for (const MapCanvas* canvas : canvases()) {
    highest = std::max(highest, canvas->map()->highest(pooling_));
    is_signed = is_signed || canvas->map()->shape().is_signed;
  }
  const double high = highest > 0.0F ? static_cast<double>(highest) : 1.0;
  figures::ColorScale wanted;
  wanted.high = high;
  wanted.low = is_signed ? -high : log_ ? high * log_decades : 0.0;
  wanted.log = log_ && !is_signed;
  if (is_signed) wanted.kind = figures::ScaleKind::diverging;
  const auto scale = figures::resolve_scale(wanted, {});
  if (!scale.ok()) return;
  for (const Panel& panel : panels_)
    panel.canvas->set_colors(*scale, pooling_);
  if (scale->high == bar_->scale().high && scale->log == bar_->scale().log && scale->kind == bar_->scale().kind &&
      !legend_.isEmpty() && !bar_->accessibleDescription().isEmpty())
    return;
  bar_->set_scale(*scale, legend_);
  Q_EMIT scale_changed();
}

std::vector<MapCanvas*> MapGrid::canvases() const {
  std::vector<MapCanvas*> used;
  for (const Panel& panel : panels_)
    if (panel.canvas->map()) used.push_back(panel.canvas);
  return used;
}

MapCanvas* MapGrid::hovered() const {
  for (MapCanvas* canvas : canvases())
    if (canvas->hovered()) return canvas;
  return nullptr;
}

bool MapGrid::settled() const {
  const auto all = canvases();
  return std::all_of(all.begin(), all.end(), [](const MapCanvas* canvas) { return canvas->settled(); });
}

void MapGrid::follow(const MapCanvas& leader) {
  for (MapCanvas* canvas : canvases())
    if (canvas != &leader) canvas->set_place(leader.camera().place());
}

void MapGrid::zoom(double factor) {
  if (MapCanvas* canvas = hovered() ? hovered() : panels_.front().canvas) canvas->zoom(factor);
}

void MapGrid::fit() { panels_.front().canvas->fit(); }

} // namespace headscope::gui
