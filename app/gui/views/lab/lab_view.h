// SPDX-License-Identifier: GPL-3.0-or-later
// The attention lab: how chosen heads attend, and what that does to the next token.
#pragma once

#include <functional>

#include <QTemporaryDir>

#include "app/gui/engine/predict_job.h"
#include "app/gui/forms/plan_text.h"
#include "app/gui/views/view.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QToolButton;

namespace headscope::gui {

class MechanismForm;
class OriginMark;
class PredictionBars;

class LabView : public View {
  Q_OBJECT
public:
  LabView(Workspace& workspace, QWidget* parent);

  // Which heads a button speaks of.
  enum class Heads { selected, layers, all };
  MechanismForm& form() { return *form_; }
  void apply(Heads heads);     // the mechanism of the form
  void back(Heads heads);      // to full attention
  void set_text(QString text); // of the whole plan
  // What the plan does to each head on the prompt, as scores of the head grid; a job.
  void measure_heads();
  QString problem() const; // of the plan that was tried last; empty: none
  QString command() const; // that predicts the same; empty: nothing is predicted
  const std::optional<Prediction>& prediction() const { return prediction_; } // full attention and plan

  std::optional<ViewExport> exported() const override;

protected:
  void showEvent(QShowEvent* event) override;

private:
  QWidget* make_buttons();
  QWidget* make_plan();
  void read_plugins();
  std::vector<HeadId> heads_of(Heads heads) const;
  void change(const std::vector<HeadId>& heads, const std::function<void(HeadPlan&, HeadId)>& change);
  void take(const std::string& plan);
  void show_plan();
  void show_problem(const QString& text);
  void predict_now();
  void put_scores(std::vector<HeadScores> all, const Origin& made_of);
  void restore();
  void read_measures(const std::string& file, const Origin& made_of);
  void show_prediction();

  MechanismForm* form_;
  QLineEdit* text_;
  QLabel *heads_, *problem_, *numbers_;
  QToolButton *copy_ = nullptr, *measure_ = nullptr;
  QTemporaryDir folder_;              // of what is measured of heads
  std::vector<QPushButton*> buttons_; // that take a model
  PredictionBars* bars_;
  OriginMark* mark_ = nullptr;
  std::optional<Prediction> prediction_;
  QString shown_plan_; // whose text the field was given
  bool stale_ = true;
};

} // namespace headscope::gui
