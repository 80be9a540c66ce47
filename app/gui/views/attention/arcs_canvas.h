// SPDX-License-Identifier: GPL-3.0-or-later
// A short prompt as a column of tokens with an arc from each key to each query that attends to it, brighter and thicker
// for more attention. Only the arcs of the token under the pointer, or of the pinned one, are shown when there is one.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <QScrollArea>

#include "app/figures/color_map.h"
#include "app/gui/maps/map_source.h"

namespace headscope::gui {

class ArcsCanvas : public QWidget {
  Q_OBJECT
public:
  static constexpr std::int64_t most_tokens = tile_side; // one tile holds all weights

  explicit ArcsCanvas(QWidget* parent = nullptr);

  void set_map(std::shared_ptr<MapSource> map, std::function<QString(std::int64_t)> label);
  void set_scale(const figures::ResolvedScale& scale);
  void set_pinned(std::optional<std::int64_t> token);
  std::optional<std::int64_t> token_at(QPointF position) const;
  QRectF token_rect(std::int64_t token) const;

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return sizeHint(); }

Q_SIGNALS:
  void token_clicked(qint64 token);

protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void showEvent(QShowEvent* event) override;

private:
  double row_height() const;
  double column() const; // where the arcs begin
  void arc(QPainter& painter, std::int64_t query, std::int64_t key, float weight, std::optional<std::int64_t> focus);
  void tokens(QPainter& painter, const Tile& tile, std::optional<std::int64_t> focus);

  std::shared_ptr<MapSource> map_;
  std::function<QString(std::int64_t)> label_;
  figures::ResolvedScale scale_;
  std::optional<std::int64_t> hovered_, pinned_;
};

} // namespace headscope::gui
