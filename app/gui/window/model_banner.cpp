// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/model_banner.h"

#include <QFileInfo>
#include <QHBoxLayout>

#include "core/model/model_store.h"
#include "core/store/result_file.h"

namespace headscope::gui {
namespace {

// Where the model of a result is: packaged, or still at the path that the result was made from.
QString place_of_model(const ResultSummary& result) {
  for (const PackagedModel& known : packaged_models())
    if (known.sha256 == store::text_attribute(result.model, "sha256") && resolve_model_path(known.name).ok())
      return QString::fromStdString(known.name);
  const QString path = QString::fromStdString(store::text_attribute(result.model, "path"));
  return !path.isEmpty() && QFileInfo::exists(path) ? path : QString();
}

} // namespace

ModelBanner::ModelBanner(Workspace& workspace, QWidget* parent)
    : QFrame(parent), workspace_(workspace), text_(new QLabel), open_(new QPushButton) {
  setFrameShape(QFrame::StyledPanel);
  setAutoFillBackground(true);
  setBackgroundRole(QPalette::ToolTipBase);
  text_->setWordWrap(true);
  text_->setAccessibleName(tr("The result is of another model"));
  auto* close = new QPushButton(tr("Close the result"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(8, 3, 8, 3);
  row->addWidget(text_, 1);
  row->addWidget(open_);
  row->addWidget(close);
  connect(open_, &QPushButton::clicked, this, [this] { Q_EMIT open_wanted(model_); });
  connect(close, &QPushButton::clicked, &workspace_, &Workspace::close_result);
  for (const auto signal : {&Workspace::model_changed, &Workspace::result_changed})
    connect(&workspace_, signal, this, &ModelBanner::update_text);
}

void ModelBanner::update_text() {
  const bool shown = workspace_.result_of_another_model();
  if (shown) {
    const ResultSummary& result = *workspace_.result();
    const QString name = QString::fromStdString(store::text_attribute(result.model, "name"));
    model_ = place_of_model(result);
    text_->setText(
        tr("The result %1 is of %2, but %3 is open: scores of the file are of the one, what is computed now of "
           "the other.")
            .arg(QFileInfo(QString::fromStdString(result.path)).fileName(), name,
                 QString::fromStdString(workspace_.model()->name)));
    open_->setText(
        tr("Open %1").arg(fontMetrics().elidedText(name, Qt::ElideMiddle, 24 * fontMetrics().averageCharWidth())));
    open_->setVisible(!model_.isEmpty());
  }
  Q_EMIT wanted(shown);
}

} // namespace headscope::gui
