// SPDX-License-Identifier: GPL-3.0-or-later
// What the next start takes up again: open files, prompt, selection, ablated heads, and how the window looks.
#pragma once

#include <optional>

#include <QByteArray>
#include <QString>
#include <QStringList>

#include "app/gui/style/theme.h"
#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

struct Session {
  QString model, result; // paths; empty: none
  PromptRequest prompt;
  std::vector<HeadId> heads;
  std::vector<AblatedHead> ablated;
  QStringList recent; // newest first
  Theme theme = Theme::system;
  double font_scale = 1.0;
  QByteArray geometry, layout; // of QMainWindow

  static constexpr int most_recent = 8;
  void add_recent(const QString& path);
};

// $XDG_CONFIG_HOME/headscope/session.json. A missing or broken file gives an empty session: nothing in it is
// worth refusing to start.
QString session_path();
Session read_session(const QString& path);
// Whole or not at all.
bool write_session(const QString& path, const Session& session);

} // namespace headscope::gui
