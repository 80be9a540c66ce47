// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/runtime.h"

#include <QGuiApplication>

namespace headscope::figures {

struct FigureRuntime::State {
  int argc = 3;
  char name[10] = "headscope";
  char option[10] = "-platform";
  char platform[10] = "offscreen";
  char* argv[4] = {name, option, platform, nullptr};
  std::unique_ptr<QGuiApplication> application;
};

// The platform is an argument rather than QT_QPA_PLATFORM, so that what the user's environment says (a
// display that cannot be reached, say) cannot make Qt end the program.
FigureRuntime::FigureRuntime() : state_(std::make_unique<State>()) {
  if (QCoreApplication::instance()) return;
  state_->application = std::make_unique<QGuiApplication>(state_->argc, state_->argv);
}

FigureRuntime::~FigureRuntime() = default;

} // namespace headscope::figures
