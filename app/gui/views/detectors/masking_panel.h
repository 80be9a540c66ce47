// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the masking experiments of the open result file: what a task loses without the strongest heads, against random
// ones.
#pragma once

#include <vector>

#include <QWidget>

#include "app/gui/workspace/workspace.h"
#include "app/result_figures/masking_curve.h"

class QComboBox;

QT_BEGIN_NAMESPACE
class QChartView;
QT_END_NAMESPACE

namespace headscope::gui {

// The panel is hidden while there is no masking experiment.
class MaskingPanel : public QWidget {
  Q_OBJECT
public:
  explicit MaskingPanel(Workspace& workspace, QWidget* parent = nullptr);

  const std::vector<MaskingCurve>& curves() const { return curves_; }
  void choose(int index);

private:
  void load();
  void take(std::vector<MaskingCurve> curves);

  Workspace& workspace_;
  std::vector<MaskingCurve> curves_;
  QComboBox* names_;
  QChartView* chart_;
};

} // namespace headscope::gui
