// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/detectors/masking_panel.h"

#include <QChartView>
#include <QComboBox>
#include <QVBoxLayout>

#include "app/gui/files/masking_file.h"
#include "app/gui/views/charts.h"

namespace headscope::gui {

MaskingPanel::MaskingPanel(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), names_(new QComboBox),
      chart_(make_chart(tr("A task without the strongest heads, and without random ones"))) {
  names_->setAccessibleName(tr("Masking experiment"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(names_);
  column->addWidget(chart_, 1);
  connect(names_, &QComboBox::activated, this, &MaskingPanel::choose);
  connect(&workspace, &Workspace::result_changed, this, &MaskingPanel::load);
  setVisible(false);
  load();
}

void MaskingPanel::load() {
  if (!workspace_.result()) return take({});
  workspace_.files().post<std::vector<MaskingCurve>>(
      {QStringLiteral("masking"), tr("Reading masking experiments")}, this,
      [path = workspace_.result()->path](FileState& state, const JobContext<std::vector<MaskingCurve>>&) {
        return read_maskings(state, path);
      },
      {[this](Result<std::vector<MaskingCurve>> result) {
        if (!result.ok()) return workspace_.report(tr("The masking experiments were not read"), result.error());
        take(std::move(result).value());
      }});
}

void MaskingPanel::take(std::vector<MaskingCurve> curves) {
  curves_ = std::move(curves);
  names_->clear();
  for (const MaskingCurve& curve : curves_)
    names_->addItem(tr("Masking: %1, %2, %3")
                        .arg(QString::fromStdString(curve.task), QString::fromStdString(curve.method),
                             QString::fromStdString(curve.phase)));
  setVisible(!curves_.empty());
  if (!curves_.empty()) choose(0);
}

void MaskingPanel::choose(int index) {
  if (index < 0 || index >= static_cast<int>(curves_.size())) return;
  names_->setCurrentIndex(index);
  const MaskingCurve& curve = curves_[static_cast<std::size_t>(index)];
  MaskingLines lines;
  lines.clean = curve.clean;
  lines.y_title = QString::fromStdString(curve.metric);
  for (std::size_t i = 0; i < curve.counts.size(); ++i) {
    const MaskingCurve::Control control = curve.control(i);
    lines.points.push_back(
        {static_cast<double>(curve.counts[i]), curve.masked[i], control.mean, control.low, control.high});
  }
  show_masking(*chart_->chart(), lines);
}

} // namespace headscope::gui
