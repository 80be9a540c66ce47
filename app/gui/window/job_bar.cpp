// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/job_bar.h"

#include <QHBoxLayout>

#include "app/gui/style/duration_text.h"
#include "app/gui/style/elided_label.h"
#include "app/gui/style/follow_font.h"

namespace headscope::gui {
namespace {
constexpr double shown_after_seconds = 0.3;
constexpr int text_chars = 36, bar_chars = 14;
} // namespace

JobBar::JobBar(JobQueue& queue, QWidget* parent)
    : QWidget(parent), queue_(queue), text_(new ElidedLabel), bar_(new QProgressBar), cancel_(new QToolButton) {
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  // A fixed room: a long title must not make the window wider, nor a short one move what is beside it.
  text_->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Preferred);
  text_->set_muted(false);
  row->addWidget(text_);
  row->addWidget(bar_);
  row->addWidget(cancel_);
  follow_font(*this, [this] {
    text_->setMinimumWidth(text_chars * fontMetrics().averageCharWidth());
    bar_->setFixedWidth(bar_chars * fontMetrics().averageCharWidth());
  });
  bar_->setTextVisible(false);
  bar_->setAccessibleName(tr("Progress"));
  cancel_->setText(tr("Cancel"));
  cancel_->setAccessibleName(tr("Cancel the running job"));
  setVisible(false);
  connect(cancel_, &QToolButton::clicked, this, [this] { queue_.cancel(shown_); });
  connect(&queue_, &JobQueue::changed, this, &JobBar::update_job);
}

void JobBar::update_job() {
  const std::vector<JobStatus> jobs = queue_.jobs();
  for (const JobStatus& job : jobs)
    if (job.running && job.seconds >= shown_after_seconds) return show_job(job, jobs.size() - 1);
  shown_ = 0;
  setVisible(false);
}

void JobBar::show_job(const JobStatus& job, std::size_t waiting) {
  shown_ = job.id;
  QString text = job.spec.title;
  if (job.total > 0) text += tr(" · %1 of %2").arg(job.done).arg(job.total);
  if (job.seconds_left >= 1.0) text += tr(" · %1 left").arg(duration_text(job.seconds_left));
  if (waiting > 0) text += tr(" · %n waiting", nullptr, static_cast<int>(waiting));
  text_->setText(text);
  bar_->setRange(0, job.total > 0 ? 1000 : 0);
  bar_->setValue(job.total > 0 ? static_cast<int>(1000 * job.done / job.total) : 0);
  setVisible(true);
}

} // namespace headscope::gui
