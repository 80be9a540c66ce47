// SPDX-License-Identifier: GPL-3.0-or-later
// How far a job is, on one line.
#pragma once

#include <QString>

#include "app/gui/work/job_queue.h"

namespace headscope::gui {

// "Ablating heads · 120 of 270 · 12 s left".
QString progress_text(const JobStatus& job);
// "120 of 270 · 12 s left", where there is little room.
QString short_progress_text(const JobStatus& job);

} // namespace headscope::gui
