// SPDX-License-Identifier: GPL-3.0-or-later
// The likeliest next tokens: two bars each, clean above ablated, and the change.
#pragma once

#include <QWidget>

#include "app/gui/engine/predict_job.h"

namespace headscope::gui {

class PredictionBars : public QWidget {
  Q_OBJECT
public:
  explicit PredictionBars(QWidget* parent = nullptr);

  // `compare`: heads are ablated, so that each token has two bars.
  void set_prediction(std::vector<PredictedToken> tokens, bool compare);
  QRect bar_rect(int row, bool ablated) const; // empty when there is none

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

protected:
  void paintEvent(QPaintEvent* event) override;
  bool event(QEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  struct Row {
    QString label, value, change;
    double clean = 0.0, ablated = 0.0;
  };
  int row_height() const;
  int legend_height() const { return fontMetrics().height() + 6; }
  QRect bars_area() const;
  void paint_legend(QPainter& painter) const;
  void measure();

  std::vector<PredictedToken> tokens_;
  std::vector<Row> rows_;
  bool compare_ = false;
  double longest_ = 1.0; // the probability as wide as the area
  int label_width_ = 0, value_width_ = 0;
};

// The colours of the two runs, in bars and texts alike.
QColor clean_color();
QColor ablated_color();

} // namespace headscope::gui
