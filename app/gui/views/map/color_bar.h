// SPDX-License-Identifier: GPL-3.0-or-later
// The legend of a map: its colours, high values at the top, with round numbers beside them.
#pragma once

#include <QWidget>

#include "app/figures/color_map.h"

namespace headscope::gui {

class ColorBar : public QWidget {
  Q_OBJECT
public:
  explicit ColorBar(QWidget* parent = nullptr);
  void set_scale(const figures::ResolvedScale& scale, const QString& label);
  const figures::ResolvedScale& scale() const { return scale_; }

  QSize sizeHint() const override;

protected:
  void paintEvent(QPaintEvent* event) override;

private:
  std::vector<double> ticks() const;

  figures::ResolvedScale scale_;
  QString label_;
};

} // namespace headscope::gui
