// SPDX-License-Identifier: GPL-3.0-or-later
// What Headscope is, its version and those of the libraries it runs with, and their licences.
#pragma once

#include <QDialog>

namespace headscope::gui {

class AboutDialog : public QDialog {
  Q_OBJECT
public:
  explicit AboutDialog(QWidget* parent = nullptr);
  static QString text(); // Markdown
};

} // namespace headscope::gui
