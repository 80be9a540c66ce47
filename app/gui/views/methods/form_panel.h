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
  // The form stays somebody else's, and outlives the panel.
  explicit FormPanel(MethodForm& form, QWidget* parent = nullptr);

  FieldEditor& editor(const std::string& name) { return *editors_.at(name); }
  // Says at each field what is wrong with it, and goes to the first of these. True: nothing is.
  bool check();
  // Says it at the field that the error is about. False: it is about none.
  bool show_error(const Error& error, bool go_there);
  void reset(); // to the defaults
  // Tab goes from there to the first field, and on from field to field.
  void set_tab_order(QWidget& before);
  // The prompt bar's, for the fields of prompts.
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
