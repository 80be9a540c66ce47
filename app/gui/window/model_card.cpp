// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/model_card.h"

#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QLocale>
#include <QPushButton>

#include "app/gui/window/loading_fields.h"

namespace headscope::gui {
namespace {

QString qt(const std::string& text) { return QString::fromStdString(text); }
QString whole(std::int64_t value) { return QLocale().toString(qint64{value}); }

QString heads_text(const ModelInfo& model) {
  if (model.n_kv_heads == model.n_heads) return ModelCard::tr("%1 a layer").arg(model.n_heads);
  return ModelCard::tr("%1 a layer, which share %2 key and value heads").arg(model.n_heads).arg(model.n_kv_heads);
}

} // namespace

std::vector<std::pair<QString, QString>> ModelCard::lines(const ModelInfo& model) {
  QString format = qt(model.format);
  if (!model.quantisation.empty()) format += tr(", mostly %1").arg(qt(model.quantisation));
  return {{tr("Model"), qt(model.name)},
          {tr("Architecture"), qt(model.architecture)},
          {tr("Layers"), whole(model.n_layers)},
          {tr("Heads"), heads_text(model)},
          {tr("Size"),
           tr("%1 parameters, %2 in memory").arg(whole(model.n_parameters), QLocale().formattedDataSize(model.bytes))},
          {tr("Residual stream (d_model)"), whole(model.d_model)},
          {tr("Of a head (d_head)"), whole(model.d_head)},
          {tr("MLP (d_mlp)"), whole(model.d_mlp)},
          {tr("Vocabulary"), tr("%1 tokens").arg(whole(model.d_vocab))},
          {tr("Context"), tr("%1 tokens").arg(whole(model.n_ctx))},
          {tr("Chat template"), model.has_chat_template ? tr("yes") : tr("none")},
          {tr("Computes"), tr("in %1 on %2").arg(qt(model.dtype), qt(model.device))},
          {tr("Parity"), model.parity.empty() ? tr("this file was not compared with a reference; its architecture may "
                                                   "have been, see docs/parity.md")
                                              : qt(model.parity)},
          {tr("Format"), format},
          {tr("File"), qt(model.path)},
          {tr("SHA-256"), qt(model.sha256)}};
}

ModelCard::ModelCard(const ModelInfo& model, QWidget* parent) : QDialog(parent) {
  setWindowTitle(tr("Model"));
  auto* form = new QFormLayout(this);
  for (const auto& [name, value] : lines(model)) {
    auto* label = new QLabel(value);
    label->setWordWrap(true);
    label->setMinimumWidth(46 * fontMetrics().averageCharWidth());
    label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    label->setAccessibleName(name);
    form->addRow(name, label);
  }
  auto* fields = new LoadingFields;
  fields->set(qt(model.dtype), qt(model.device));
  auto* again = new QPushButton(tr("Open again"));
  again->setToolTip(tr("Opens the model on this device and in this number type"));
  auto* row = new QHBoxLayout;
  row->addWidget(fields, 1);
  row->addWidget(again);
  form->addRow(row);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
  form->addRow(buttons);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  connect(again, &QPushButton::clicked, this, [this, fields, path = qt(model.path)] {
    Q_EMIT open_wanted(path, fields->dtype(), fields->device());
    accept();
  });
}

} // namespace headscope::gui
