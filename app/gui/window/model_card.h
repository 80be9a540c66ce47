// SPDX-License-Identifier: GPL-3.0-or-later
// The card of the open model: what it is, how large, how it computes, and how close it is to the reference. It can be
// opened again on another device or in another number type.
#pragma once

#include <QDialog>

#include "app/gui/engine/values.h"

namespace headscope::gui {

class ModelCard : public QDialog {
  Q_OBJECT
public:
  explicit ModelCard(const ModelInfo& model, QWidget* parent = nullptr);

  // Name and value of every line.
  static std::vector<std::pair<QString, QString>> lines(const ModelInfo& model);

Q_SIGNALS:
  void open_wanted(const QString& path, const QString& dtype, const QString& device);
};

} // namespace headscope::gui
