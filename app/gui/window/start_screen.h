// SPDX-License-Identifier: GPL-3.0-or-later
// The screen of an empty window: the default model, a file dialog, and what was open before.
#pragma once

#include <QStringList>
#include <QVBoxLayout>
#include <QWidget>

namespace headscope::gui {

class LoadingFields;

class StartScreen : public QWidget {
  Q_OBJECT
public:
  explicit StartScreen(QWidget* parent = nullptr);
  void set_recent(const QStringList& paths);
  LoadingFields& loading() { return *loading_; }

Q_SIGNALS:
  void open_wanted(const QString& path); // a model or a result file
  void dialog_wanted();
  void tour_wanted();

private:
  QVBoxLayout* recent_;
  LoadingFields* loading_;
};

} // namespace headscope::gui
