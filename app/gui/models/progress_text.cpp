// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/progress_text.h"

#include "app/gui/style/duration_text.h"

namespace headscope::gui {

QString progress_text(const JobStatus& job) {
  QString text = job.running ? job.spec.title : QObject::tr("Waiting for another job");
  if (!job.stage.isEmpty()) text += QObject::tr(" · %1").arg(job.stage);
  if (job.total > 0) text += QObject::tr(" · %1").arg(short_progress_text(job));
  return text;
}

QString short_progress_text(const JobStatus& job) {
  if (!job.running) return QObject::tr("Waiting for another job");
  if (job.total <= 0) return job.stage;
  QString text = QObject::tr("%1 of %2").arg(job.done).arg(job.total);
  if (job.seconds_left >= 1.0) text += QObject::tr(" · %1 left").arg(duration_text(job.seconds_left));
  return text;
}

} // namespace headscope::gui
