// SPDX-License-Identifier: GPL-3.0-or-later
// Measuring every head from the head grid: a sweep that ablates each on the prompt, a task or a file, and direct logit
// attribution. What is measured becomes a score that fills in while it comes.
#pragma once

#include <map>
#include <memory>

#include <QWidget>

#include "app/gui/engine/sweep_job.h"
#include "app/gui/workspace/workspace.h"

class QAction;
class QLabel;
class QLineEdit;
class QMenu;
class QToolButton;

namespace headscope::gui {

class SweepBar : public QWidget {
  Q_OBJECT
public:
  explicit SweepBar(Workspace& workspace, QWidget* parent = nullptr);

  // Where prompts come from.
  enum class Source { prompt, task, file };
  // Where mean and resample take activations from: the swept prompts themselves, the texts of the view Ablation, a
  // file.
  enum class Reference { prompts, texts, file };
  struct Settings {
    std::string metric, method; // empty: the default of `ablate`
    Source source = Source::prompt;
    std::string from; // the task's name, or the file
    Reference reference = Reference::prompts;
    std::string reference_file = {};
  };
  const Settings& settings() const { return settings_; }
  void set_settings(Settings settings);

  void sweep();      // from where an unfinished sweep of the same settings stopped
  void start_over(); // the same, forgetting that one
  void attribute();  // direct logit attribution of the prompt
  void cancel();
  bool running() const { return job_ != 0; }
  bool resumes() const;                  // sweep() would go on
  QString why_not() const;               // it cannot start; empty: it can
  QMenu& menu() const { return *menu_; } // the grid adds to it

Q_SIGNALS:
  void score_wanted(const QString& id); // was started here: the grid is to show it

private:
  void make_menu();
  QMenu* make_choices(const QString& title, const std::vector<std::pair<std::string, QString>>& names,
                      std::string Settings::*chosen);
  void make_sources(QMenu& menu);
  void make_references(QMenu& menu);
  void make_answers(QMenu& menu);
  SweepRequest request() const;
  QString prompts_title() const;
  bool can_start();
  void post(SweepRequest request);
  void take(HeadSweep sweep, const std::string& id, const QString& prompts, const Origin& origin);
  void keep(const HeadSweep& sweep, const std::string& id, const QString& prompts, const Origin& origin);
  void restore();
  void say(const HeadSweep& sweep);
  void show_state();
  void show_progress();

  Workspace& workspace_;
  Settings settings_;
  std::map<std::string, std::shared_ptr<const HeadSweep>> unfinished_; // by id
  JobId job_ = 0;                                                      // 0: none runs
  QString said_;                                                       // of the last sweep, shown while none runs
  QToolButton *run_, *cancel_;
  QLabel* progress_;
  QMenu* menu_;
  QAction *resume_ = nullptr, *attribute_ = nullptr;
  QLineEdit *answer_ = nullptr, *wrong_ = nullptr;
};

} // namespace headscope::gui
