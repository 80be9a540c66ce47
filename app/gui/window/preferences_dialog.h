// SPDX-License-Identifier: GPL-3.0-or-later
// What the user likes: theme, size of the text, and how models are opened. Changes are seen at once.
#pragma once

#include <QDialog>

#include "app/gui/engine/cache_job.h"
#include "app/gui/style/theme.h"

class QLabel;

namespace headscope::gui {

struct Preferences {
  Theme theme = Theme::system;
  double font_scale = 1.0;
  QString dtype, device;
  figures::ColorMap colors = figures::ColorMap::viridis; // of maps and scores
  int cache_mib = 0;                                     // that kept layers of attention may take
  QString folder, models; // of the session and the log, and of models; shown, not changed
};

class PreferencesDialog : public QDialog {
  Q_OBJECT
public:
  explicit PreferencesDialog(const Preferences& now, QWidget* parent = nullptr);
  void show_cache(const CacheUse& use);

Q_SIGNALS:
  void changed(const headscope::gui::Preferences& wanted);
  void clear_wanted(); // the cache

private:
  QLabel* cache_;
};

} // namespace headscope::gui
