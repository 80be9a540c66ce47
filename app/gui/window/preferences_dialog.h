// SPDX-License-Identifier: GPL-3.0-or-later
// What the user likes: theme, size of the text, and how models are opened. Changes are seen at once.
#pragma once

#include <QDialog>

#include "app/gui/style/theme.h"

namespace headscope::gui {

struct Preferences {
  Theme theme = Theme::system;
  double font_scale = 1.0;
  QString dtype, device;
  QString folder; // where the session and the log are; shown, not changed
};

class PreferencesDialog : public QDialog {
  Q_OBJECT
public:
  explicit PreferencesDialog(const Preferences& now, QWidget* parent = nullptr);

Q_SIGNALS:
  void changed(const headscope::gui::Preferences& wanted);
};

} // namespace headscope::gui
