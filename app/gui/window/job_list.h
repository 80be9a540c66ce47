// SPDX-License-Identifier: GPL-3.0-or-later
// All jobs, running and waiting: what each does and for which prompt, how far it is, the time left, and its end.
#pragma once

#include <vector>

#include <QFrame>
#include <QTreeWidget>

#include "app/gui/work/job_queue.h"

namespace headscope::gui {

class JobList : public QFrame {
  Q_OBJECT
public:
  // Of these queues, one after the other.
  explicit JobList(std::vector<JobQueue*> queues, QWidget* parent = nullptr);

  QTreeWidget& list() { return *list_; }
  // Opens above `anchor`, inside of the screen; closes with a click elsewhere or Escape.
  void open_above(const QWidget& anchor);

protected:
  void showEvent(QShowEvent* event) override;

private:
  struct Row {
    JobQueue* queue;
    JobId id;
    friend bool operator==(const Row&, const Row&) = default;
  };
  void update_rows();
  void set_rows(const std::vector<Row>& rows);

  std::vector<JobQueue*> queues_;
  QTreeWidget* list_;
  std::vector<Row> rows_;
};

} // namespace headscope::gui
