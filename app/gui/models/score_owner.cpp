// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/score_owner.h"

#include <QObject>

namespace headscope::gui {

QString why_not_of(const std::optional<ModelInfo>& model, const HeadScores& scores) {
  if (!model) return {};
  const QString name = QString::fromStdString(model->name);
  if (scores.n_layers != model->n_layers || scores.n_heads != model->n_heads)
    return QObject::tr("This is of a model of %1 layers of %2 heads; %3, which is open, has %4 of %5")
        .arg(scores.n_layers)
        .arg(scores.n_heads)
        .arg(name)
        .arg(model->n_layers)
        .arg(model->n_heads);
  if (!scores.model_sha256.empty() && scores.model_sha256 != model->sha256)
    return QObject::tr("This is of another model than %1, which is open: its SHA-256 is another").arg(name);
  return {};
}

} // namespace headscope::gui
