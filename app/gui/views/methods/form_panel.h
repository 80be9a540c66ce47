// SPDX-License-Identifier: GPL-3.0-or-later
// The fields of a method's form, one below the other.
#pragma once

#include <map>
#include <string>

#include <QWidget>

#include "app/gui/engine/model_job.h"
#include "app/gui/forms/method_form.h"

class QFormLayout;

namespace headscope::gui {

class FieldEditor;

class FormPanel : public QWidget {
  Q_OBJECT
public:
  // The panel does not own the form, which must outlive it.
  explicit FormPanel(MethodForm& form, QWidget* parent = nullptr);

  FieldEditor& editor(const std::string& name) { return *editors_.at(name); }
  // Shows at each field what is wrong with it, and moves to the first such field. Returns true when nothing is wrong.
  bool check();
  // Shows an error at the field it is about. Returns false when it is about none.
  bool show_error(const Error& error, bool go_there);
  void reset(); // to the defaults
  // Makes Tab go from `before` to the first field, and on from field to field.
  void set_tab_order(QWidget& before);
  // Offers the prompt bar's prompt in fields for prompts.
  void offer_prompt(const PromptRequest& prompt);

Q_SIGNALS:
  void edited();

private:
  void add_title(QFormLayout& rows, FieldPart part);
  void add_field(QFormLayout& rows, const FormField& field);
  void take_edit(const std::string& name);
  void take_prompt(const std::string& name);
  void go_to(const std::string& name);

  MethodForm& form_;
  std::map<std::string, FieldEditor*> editors_;
  PromptRequest prompt_;
};

} // namespace headscope::gui
