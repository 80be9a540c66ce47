// SPDX-License-Identifier: GPL-3.0-or-later
// A choice of mechanism with what it is and fields for its options.
#pragma once

#include <vector>

#include <QWidget>

#include "app/gui/engine/attention_plan.h"

class QComboBox;
class QLabel;
class QScrollArea;

namespace headscope::gui {

class FieldEditor;

class MechanismForm : public QWidget {
  Q_OBJECT
public:
  explicit MechanismForm(QWidget* parent = nullptr);

  // Adds mechanisms behind those that are there.
  void add(const std::vector<MechanismCard>& cards);
  void choose(const QString& id);
  // "hip:k=128", with the options that are not at their defaults.
  std::string spec() const;
  FieldEditor* field(const std::string& name) const; // of the mechanism that is chosen; null: it has none of that name

Q_SIGNALS:
  void edited();

private:
  void show_chosen();
  const MechanismCard& card() const;

  std::vector<MechanismCard> cards_;
  QComboBox* choice_;
  QLabel* about_;
  QScrollArea* scroll_;
  std::vector<std::pair<std::string, FieldEditor*>> fields_;
};

} // namespace headscope::gui
