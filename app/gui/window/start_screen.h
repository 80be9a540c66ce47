// SPDX-License-Identifier: GPL-3.0-or-later
// The screen of an empty window: the default model, a file dialog, and what was open before.
#pragma once

#include <QStringList>
#include <QVBoxLayout>
#include <QWidget>

namespace headscope::gui {

class StartScreen : public QWidget {
  Q_OBJECT
public:
  explicit StartScreen(QWidget* parent = nullptr);
  void set_recent(const QStringList& paths);

Q_SIGNALS:
  void open_wanted(const QString& path); // a model or a result file
  void dialog_wanted();

private:
  QVBoxLayout* recent_;
};

} // namespace headscope::gui
