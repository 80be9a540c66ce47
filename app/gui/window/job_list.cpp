// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/job_list.h"

#include <QHeaderView>
#include <QScreen>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/style/duration_text.h"

namespace headscope::gui {
namespace {

enum Column { what, prompt, progress, left, cancel, columns };
constexpr int width_in_chars = 96, height_in_lines = 14;

QString progress_text(const JobStatus& job) {
  if (!job.running) return JobList::tr("waits");
  return job.total > 0 ? JobList::tr("%1 of %2").arg(job.done).arg(job.total) : JobList::tr("runs");
}

} // namespace

JobList::JobList(std::vector<JobQueue*> queues, QWidget* parent)
    : QFrame(parent, Qt::Popup), queues_(std::move(queues)), list_(new QTreeWidget) {
  setFrameShape(QFrame::StyledPanel);
  list_->setAccessibleName(tr("Jobs"));
  list_->setColumnCount(columns);
  list_->setHeaderLabels({tr("Job"), tr("Prompt"), tr("Done"), tr("Left"), QString()});
  list_->setRootIsDecorated(false);
  list_->setSelectionMode(QAbstractItemView::NoSelection);
  list_->header()->setStretchLastSection(false);
  list_->header()->setSectionResizeMode(QHeaderView::ResizeToContents);
  list_->header()->setSectionResizeMode(prompt, QHeaderView::Stretch);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(2, 2, 2, 2);
  column->addWidget(list_);
  resize(width_in_chars * fontMetrics().averageCharWidth(), height_in_lines * fontMetrics().lineSpacing());
  for (JobQueue* queue : queues_)
    connect(queue, &JobQueue::changed, this, [this] {
      if (isVisible()) update_rows();
    });
}

void JobList::open_above(const QWidget& anchor) {
  const QRect room = anchor.screen()->availableGeometry();
  QPoint corner = anchor.mapToGlobal(QPoint(anchor.width() - width(), -height()));
  corner.setX(std::clamp(corner.x(), room.left(), std::max(room.left(), room.right() - width())));
  corner.setY(std::max(corner.y(), room.top()));
  move(corner);
  show();
}

void JobList::showEvent(QShowEvent* event) {
  QFrame::showEvent(event);
  update_rows();
}

void JobList::set_rows(const std::vector<Row>& rows) {
  if (rows == rows_) return;
  rows_ = rows;
  list_->clear();
  for (const Row& row : rows) {
    auto* item = new QTreeWidgetItem(list_);
    auto* button = new QToolButton;
    button->setText(tr("Cancel"));
    connect(button, &QToolButton::clicked, this, [row] { row.queue->cancel(row.id); });
    list_->setItemWidget(item, cancel, button);
  }
}

void JobList::update_rows() {
  std::vector<Row> rows;
  std::vector<JobStatus> jobs;
  for (JobQueue* queue : queues_)
    for (const JobStatus& job : queue->jobs()) {
      if (job.spec.title.isEmpty()) continue; // of a moment, nothing that anybody would cancel
      rows.push_back({queue, job.id});
      jobs.push_back(job);
    }
  set_rows(rows);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    QTreeWidgetItem* item = list_->topLevelItem(static_cast<int>(i));
    item->setText(what, jobs[i].spec.title);
    item->setText(prompt, jobs[i].spec.subject);
    item->setText(progress, progress_text(jobs[i]));
    item->setText(left, jobs[i].seconds_left >= 1.0 ? duration_text(jobs[i].seconds_left) : QString());
    list_->itemWidget(item, cancel)->setAccessibleName(tr("Cancel: %1").arg(jobs[i].spec.title));
  }
}

} // namespace headscope::gui
