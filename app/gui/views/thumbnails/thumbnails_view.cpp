// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/thumbnails/thumbnails_view.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/style/elided_label.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/thumbnails/thumbnail_sheet.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

const QString lane = QStringLiteral("thumbnails");
constexpr double lowest_weight = 0.01; // shown as any smaller one

// One scale for all, so that heads can be compared.
QImage image_of(const Tile& tile) {
  figures::ResolvedScale scale;
  scale.log = true;
  scale.low = scale.center = lowest_weight;
  QImage image(static_cast<int>(tile.cols), static_cast<int>(tile.rows), QImage::Format_RGB32);
  for (int row = 0; row < image.height(); ++row)
    for (int col = 0; col < image.width(); ++col) {
      const float weight = tile.at(row, col, Pooling::max);
      const QColor color = weight == masked_weight
                               ? inks().page
                               : value_color(scale, std::max(static_cast<double>(weight), lowest_weight));
      image.setPixelColor(col, row, color);
    }
  return image;
}

// A page with room for the maps of all heads, `side` cells each with a cell between them. All ticks of a map say its
// layer and head, so that those are right for which there is room.
figures::HeatmapFigure mosaic(const ModelInfo& model, std::int64_t side) {
  figures::HeatmapFigure page;
  page.title = ThumbnailsView::tr("Attention of all heads").toStdString();
  page.rows = model.n_layers * (side + 1) - 1;
  page.cols = model.n_heads * (side + 1) - 1;
  page.values.assign(static_cast<std::size_t>(page.rows * page.cols), 0.0F);
  page.y_axis = ThumbnailsView::tr("layer (in each map: query token)").toStdString();
  page.x_axis = ThumbnailsView::tr("head (in each map: key token)").toStdString();
  for (std::int64_t row = 0; row < page.rows; ++row)
    page.y_ticks.push_back(std::to_string(row / (side + 1)));
  for (std::int64_t col = 0; col < page.cols; ++col)
    page.x_ticks.push_back(std::to_string(col / (side + 1)));
  page.scale.low = lowest_weight;
  page.scale.high = 1.0;
  page.scale.log = true;
  page.scale.label = ThumbnailsView::tr("attention weight, largest of each cell").toStdString();
  return page;
}

void put_map(figures::HeatmapFigure& page, const Tile& map, int layer, int head) {
  for (std::int64_t row = 0; row < map.rows; ++row)
    for (std::int64_t col = 0; col < map.cols; ++col) {
      const float weight = map.at(row, col, Pooling::max);
      const std::int64_t to_row = layer * (map.rows + 1) + row, to_col = head * (map.cols + 1) + col;
      page.values[static_cast<std::size_t>(to_row * page.cols + to_col)] = weight == masked_weight ? 0.0F : weight;
    }
}

} // namespace

ThumbnailsView::ThumbnailsView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("thumbnails"), tr("All heads"), parent), sheet_(new ThumbnailSheet) {
  auto* about = new ElidedLabel;
  about->setText(tr("Attention of every head on the prompt: query down, key to the right; the largest weight of each "
                    "cell, on a logarithmic scale from 0.01 to 1"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 2, 4, 2);
  auto* fit = new QToolButton;
  fit->setText(tr("Fit all"));
  fit->setCheckable(true);
  fit->setChecked(true);
  fit->setToolTip(tr("Maps so small that all layers are seen at once, or as large as the width lets them"));
  auto* bar = new QHBoxLayout;
  bar->addWidget(about, 1);
  bar->addWidget(fit);
  column->addLayout(bar);
  connect(fit, &QToolButton::toggled, sheet_, &ThumbnailSheet::set_fit);
  column->addWidget(sheet_, 1);
  connect(sheet_, &ThumbnailSheet::scrolled, this, &ThumbnailsView::fetch_next);
  connect(sheet_, &ThumbnailSheet::clicked, this, &ThumbnailsView::open);
  connect(sheet_, &ThumbnailSheet::opened, this, [this] {
    if (const auto head = this->workspace().selection().head()) open(*head);
  });
  connect(sheet_, &ThumbnailSheet::menu_wanted, this, [this](HeadId head, const QPoint& place) {
    auto* menu = new QMenu(this);
    add_head_actions(*menu, this->workspace(), head);
    show_menu(menu, place);
  });
  connect(sheet_, &ThumbnailSheet::stepped, this, [this](int layers, int heads) {
    const HeadId from = this->workspace().selection().head().value_or(HeadId{});
    const HeadId to{std::clamp(from.layer + layers, 0, std::max(0, this->workspace().n_layers() - 1)),
                    std::clamp(static_cast<int>(from.head) + heads, 0, std::max(0, this->workspace().n_heads() - 1))};
    this->workspace().selection().set_head(to);
    sheet_->show_head(to);
  });
  const auto select = [this] { sheet_->set_selected(this->workspace().selection().heads()); };
  connect(&workspace.selection(), &Selection::heads_changed, this, select);
  connect(&workspace, &Workspace::in_force_changed, this, &ThumbnailsView::begin);
  select();
  begin();
}

void ThumbnailsView::open(HeadId head) {
  workspace().selection().set_head(head);
  Q_EMIT workspace().view_wanted(QStringLiteral("attention"));
}

void ThumbnailsView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  begin();
}

void ThumbnailsView::hideEvent(QHideEvent* event) {
  View::hideEvent(event);
  stop();
}

// Images have the colours of the theme.
void ThumbnailsView::changeEvent(QEvent* event) {
  View::changeEvent(event);
  if (event->type() == QEvent::PaletteChange && watched()) begin();
}

void ThumbnailsView::stop() {
  workspace().engine().drop_lane(lane);
  fetching_ = -1;
  tokens_.reset();
  layers_.clear();
  sheet_->drop_maps();
}

void ThumbnailsView::begin() {
  stop();
  const auto& model = workspace().model();
  sheet_->set_hint(!model                ? tr("Open a model to see the attention of all its heads")
                   : !workspace().live() ? tr("Type a prompt to see the attention of all heads on it")
                                         : QString());
  sheet_->set_shape(model ? model->n_layers : 0, model ? model->n_heads : 0);
  if (!watched() || !workspace().live()) return;
  tokens_ = std::make_shared<const std::vector<std::int64_t>>(workspace().prompt().ids());
  fetch_next();
}

// Only what is seen is computed; scrolling asks for more.
void ThumbnailsView::fetch_next() {
  if (!tokens_ || fetching_ >= 0 || !watched()) return;
  const std::vector<int> seen = sheet_->layers_seen();
  const auto missing = std::find_if(seen.begin(), seen.end(), [this](int layer) { return !sheet_->has_maps(layer); });
  if (missing == seen.end()) return;
  fetching_ = *missing;
  workspace().engine().post<LayerThumbnails>(
      JobSpec::view(lane, tr("Computing the maps of layer %1").arg(fetching_)), this,
      [request = ThumbnailRequest{tokens_, fetching_, workspace().ablation().input()}](
          EngineState& state, const JobContext<LayerThumbnails>& job) {
        return layer_thumbnails(state, request, job.control);
      },
      {[this](Result<LayerThumbnails> layer) {
        fetching_ = -1;
        if (layer.ok()) return take(*layer);
        tokens_.reset(); // not again until something changes
        workspace().report(tr("The maps of all heads"), layer.error());
      }});
}

void ThumbnailsView::take(const LayerThumbnails& layer) {
  std::vector<QImage> images;
  for (const Tile& tile : layer.heads)
    images.push_back(image_of(tile));
  sheet_->set_maps(layer.layer, std::move(images));
  layers_[layer.layer] = layer;
  fetch_next();
}

std::optional<ViewExport> ThumbnailsView::exported() const {
  if (layers_.empty()) return std::nullopt;
  const Tile& first = layers_.begin()->second.heads.front();
  const ModelInfo& model = *workspace().model();
  std::string subtitle = model.name + ", " + workspace().prompt().beginning().toStdString();
  if (std::ssize(layers_) < model.n_layers)
    subtitle += tr("; %1 of %2 layers").arg(layers_.size()).arg(model.n_layers).toStdString();
  ViewExport out{QStringLiteral("all-heads"), mosaic(model, first.rows), std::nullopt};
  auto& page = std::get<figures::HeatmapFigure>(out.figure);
  page.subtitle = std::move(subtitle);
  for (const auto& [layer, maps] : layers_)
    for (std::size_t head = 0; head < maps.heads.size(); ++head)
      put_map(page, maps.heads[head], layer, static_cast<int>(head));
  return out;
}

View* make_thumbnails_view(Workspace& workspace, QWidget* parent) { return new ThumbnailsView(workspace, parent); }

} // namespace headscope::gui
