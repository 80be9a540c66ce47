// SPDX-License-Identifier: GPL-3.0-or-later
// The likeliest next tokens: two bars each, clean above ablated, and the change.
#pragma once

#include "app/gui/engine/predict_job.h"
#include "app/gui/views/charts.h"

namespace headscope::gui {

class PredictionBars : public ChartView {
  Q_OBJECT
public:
  explicit PredictionBars(QWidget* parent = nullptr);

  // What the two bars are; clean and ablated at first.
  void set_names(const QString& first, const QString& second);
  // `compare`: heads are ablated, so that each token has two bars.
  void set_prediction(std::vector<PredictedToken> tokens, bool compare);
  QRectF bar_rect(int row, bool ablated) const; // empty when there is none

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

protected:
  bool viewportEvent(QEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  void refill();
  QString tip(std::size_t row) const;

  std::vector<PredictedToken> tokens_;
  bool compare_ = false;
  QString first_, second_;
};

} // namespace headscope::gui
