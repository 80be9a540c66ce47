// SPDX-License-Identifier: GPL-3.0-or-later
// Exports a view to files and to the clipboard, through the renderer that the command line uses.
#pragma once

#include <QImage>
#include <QStringList>

#include "app/gui/views/view.h"

namespace headscope::gui {

// Asks for a folder, a name and formats, then writes them as a job of the file thread; the answer names the files.
void export_view(const View& view, Workspace& workspace, QWidget* parent);

struct ExportTarget {
  QString folder, name;
  QStringList formats; // png, svg, pdf, csv, npy
  bool overwrite = false, dark = false;
  double scale = 2.0;
};
// Writes files and returns their names. Existing ones are kept (already_exists) unless overwrite.
Result<QStringList> write_export(const ViewExport& content, const ExportTarget& target,
                                 const figures::Provenance& provenance);

// The same in the colours of values that the window has; what has colours of its own keeps them.
ViewExport in_own_colors(ViewExport content);

// Renders the figure as a picture.
Result<QImage> picture_of(const ViewExport& content, bool dark, double scale);

// The provenance of what the views show.
figures::Provenance provenance_of(const Workspace& workspace);

} // namespace headscope::gui
