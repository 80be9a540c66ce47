// SPDX-License-Identifier: GPL-3.0-or-later
// The session that the next start restores: open files, prompt, selection, ablated heads, and the look of the window.
#pragma once

#include <optional>

#include <QByteArray>
#include <QString>
#include <QStringList>

#include "app/gui/engine/cache_job.h"
#include "app/gui/style/theme.h"
#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

struct Session {
  QString model, result;                                                     // paths; empty: none
  QString dtype = QStringLiteral("float32"), device = QStringLiteral("cpu"); // how models are opened
  PromptRequest prompt;
  std::vector<HeadId> heads;
  std::vector<AblatedHead> ablated;
  AnswerState::Pair answers;
  PatchTexts pair;       // of the patching view; empty: they follow the prompt
  std::string attention; // the plan; empty: full attention
  QStringList recent;    // newest first
  Theme theme = Theme::system;
  double font_scale = 1.0;
  figures::ColorMap colors = figures::ColorMap::viridis; // of values
  int cache_mib = static_cast<int>(standard_cache_bytes >> 20);
  QByteArray geometry, layout; // of QMainWindow

  static constexpr int most_recent = 8;
  void add_recent(const QString& path);
};

// The session's file, $XDG_CONFIG_HOME/headscope/session.json. A missing or broken file gives an empty session: nothing
// in it is worth refusing to start.
QString session_path();
Session read_session(const QString& path);
// Writes the session whole or not at all.
bool write_session(const QString& path, const Session& session);

} // namespace headscope::gui
