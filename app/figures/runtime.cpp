// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/runtime.h"

#include <QGuiApplication>

#include "core/base/log.h"

namespace headscope::figures {

struct FigureRuntime::State {
  int argc = 3;
  char name[10] = "headscope";
  char option[10] = "-platform";
  char platform[10] = "offscreen";
  char* argv[4] = {name, option, platform, nullptr};
  std::unique_ptr<QGuiApplication> application;
};

// The platform is an argument rather than QT_QPA_PLATFORM, so that the user's environment (e.g. a display that cannot
// be reached) cannot make Qt end the program.
FigureRuntime::FigureRuntime() : state_(std::make_unique<State>()) {
  if (QCoreApplication::instance()) return;
  // Standard error is for Headscope's messages; Qt's remarks about the desktop go to the log.
  qInstallMessageHandler(
      [](QtMsgType, const QMessageLogContext&, const QString& text) { log::debug("Qt: " + text.toStdString()); });
  state_->application = std::make_unique<QGuiApplication>(state_->argc, state_->argv);
}

FigureRuntime::~FigureRuntime() = default;

} // namespace headscope::figures
