// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

namespace headscope::figures {

// Keeps Qt's font and painting machinery alive. Create one at the start of main(), in the main thread, and
// keep it until the last figure is drawn. Where the program already has a QGuiApplication this does nothing;
// otherwise it makes one that needs no display.
class FigureRuntime {
public:
  FigureRuntime();
  ~FigureRuntime();
  FigureRuntime(const FigureRuntime&) = delete;
  FigureRuntime& operator=(const FigureRuntime&) = delete;

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace headscope::figures
