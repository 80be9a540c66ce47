// SPDX-License-Identifier: GPL-3.0-or-later
// Takes a picture of the window or of one view once it shows what was asked for; no display is needed.
#pragma once

#include <functional>

#include <QString>

#include "core/base/result.h"

namespace headscope::gui {

class MainWindow;

struct ScreenshotOptions {
  QString path;           // a .png
  QString view;           // its id; "window" or empty: all of it
  double seconds = 300.0; // longest wait for jobs to end
};

// Waits without blocking, then saves and calls `done` once.
void take_screenshot(MainWindow& window, const ScreenshotOptions& options, std::function<void(Status)> done);

} // namespace headscope::gui
