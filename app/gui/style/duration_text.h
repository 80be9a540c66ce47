// SPDX-License-Identifier: GPL-3.0-or-later
// Writes a duration for people.
#pragma once

#include <cmath>

#include <QObject>
#include <QString>

namespace headscope::gui {

// Writes "12 s" or "3 min 5 s".
inline QString duration_text(double seconds) {
  const auto whole = static_cast<qint64>(std::ceil(seconds));
  if (whole < 60) return QObject::tr("%1 s").arg(whole);
  if (whole < 3600) return QObject::tr("%1 min %2 s").arg(whole / 60).arg(whole % 60);
  return QObject::tr("%1 h %2 min").arg(whole / 3600).arg(whole % 3600 / 60);
}

} // namespace headscope::gui
