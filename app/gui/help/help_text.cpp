// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/help/help_text.h"

#include "app/gui/engine/detector_job.h"
#include "app/gui/help/help_pages.h" // the files in pages, made by CMake

namespace headscope::gui {
namespace {

QString papers_of_detectors() {
  QString text;
  for (const DetectorInfo& detector : list_detectors())
    if (!detector.reference.empty())
      text += QStringLiteral("- %1: %2\n")
                  .arg(QString::fromStdString(detector.title), QString::fromStdString(detector.reference));
  return text;
}

} // namespace

QString help_page(const QString& id) {
  for (const HelpPage& page : help_pages) {
    if (id != QLatin1String(page.id)) continue;
    const QString text = QString::fromUtf8(page.markdown);
    const QString shown = text.mid(text.indexOf(QStringLiteral("# "))); // without the line of the licence
    return id == QStringLiteral("detectors") ? shown + papers_of_detectors() : shown;
  }
  return {};
}

} // namespace headscope::gui
