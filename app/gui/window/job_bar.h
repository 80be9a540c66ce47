// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the running job in the status bar: what it does, its progress, the time left, and a button that cancels it.
#pragma once

#include <QLabel>
#include <QProgressBar>
#include <QToolButton>
#include <QWidget>

#include "app/gui/work/job_queue.h"

namespace headscope::gui {

class ElidedLabel;

class JobBar : public QWidget {
  Q_OBJECT
public:
  // Shows the job of the queue that has run longest; nothing for work of under a third of a second.
  explicit JobBar(JobQueue& queue, QWidget* parent = nullptr);

private:
  void update_job();
  void show_job(const JobStatus& job, std::size_t waiting);

  JobQueue& queue_;
  JobId shown_ = 0;
  ElidedLabel* text_;
  QProgressBar* bar_;
  QToolButton* cancel_;
};

} // namespace headscope::gui
