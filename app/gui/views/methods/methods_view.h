// SPDX-License-Identifier: GPL-3.0-or-later
// The methods view: every method as a form that is filled in, run on the open model, and answered.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/gui/engine/method_job.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/views/view.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSplitter;
class QStackedWidget;

namespace headscope::gui {

class FormPanel;
class MethodResult;

class MethodsView : public View {
  Q_OBJECT
public:
  explicit MethodsView(Workspace& workspace, QWidget* parent);

  void choose(const std::string& id);
  // The form of the chosen method.
  MethodForm& form() { return *page().form; }
  FormPanel& panel() { return *page().panel; }
  const std::optional<MethodAnswer>& answer() { return page().answer; }
  MethodResult& result() { return *result_; }
  QString command() const;
  QString estimate() const; // as it is shown

  void run();
  void estimate_cost();
  void cancel();
  void reset();
  bool resumes() const { return page().unfinished.has_value(); } // Run resumes from a journal
  bool running() const { return job_ != 0; }

protected:
  void resizeEvent(QResizeEvent* event) override;

private:
  // The state of a method that is kept while another one is shown.
  struct Page {
    std::unique_ptr<MethodForm> form;
    FormPanel* panel = nullptr;
    std::optional<MethodAnswer> answer;
    QString estimate;
    std::optional<methods::Unfinished> unfinished; // what Run would resume from
  };

  QWidget* make_left();
  QWidget* make_buttons();
  QWidget* make_command();
  void fill_list();
  Page& page();
  const Page& page() const;
  Page& make_page(const std::string& id);
  void show_page();
  void take_answer(MethodAnswer answer);
  void take_estimate(const std::string& id, const Result<MethodEstimate>& estimate);
  bool say_at_field(const Page& asked, const Error& error);
  void take_edit(const std::string& id);
  void look_for_journal(); // looks for the journal of a run that this form would resume
  void offer_prompt();
  void show_state(); // buttons, command line, and whether the result is still of this form and model
  void show_progress();
  QString why_not() const; // it cannot run now; empty: it can
  QString stale_text() const;
  QString run_tip() const;
  CommandModel command_model() const;

  std::map<std::string, Page> pages_;
  std::string chosen_;
  JobId job_ = 0; // 0: none runs

  QSplitter* splitter_;
  QComboBox* list_ = nullptr;
  QLabel *about_ = nullptr, *progress_ = nullptr, *estimate_ = nullptr;
  QStackedWidget* stack_ = nullptr;
  QPushButton *run_ = nullptr, *count_ = nullptr, *cancel_ = nullptr, *reset_ = nullptr;
  QLineEdit* command_ = nullptr;
  MethodResult* result_;
};

} // namespace headscope::gui
