// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/screenshot.h"

#include <QElapsedTimer>
#include <QTimer>

#include "app/gui/window/main_window.h"

namespace headscope::gui {
namespace {

// Jobs follow one another (model, prompt, maps): the window is done only when no job was running for several checks.
constexpr int quiet_looks = 5;
constexpr int look_ms = 60;

class Waiter : public QObject {
public:
  Waiter(MainWindow& window, ScreenshotOptions options, std::function<void(Status)> done)
      : QObject(&window), window_(window), options_(std::move(options)), done_(std::move(done)) {
    clock_.start();
    timer_.setInterval(look_ms);
    connect(&timer_, &QTimer::timeout, this, [this] { look(); });
    timer_.start();
  }

private:
  void look() {
    const View* view = window_.view(options_.view);
    quiet_ = window_.workspace().settled() && (!view || view->settled()) ? quiet_ + 1 : 0;
    const bool late = static_cast<double>(clock_.elapsed()) > options_.seconds * 1000.0;
    if (quiet_ < quiet_looks && !late) return;
    timer_.stop();
    done_(late ? Status(make_error(ErrorCode::cancelled, "the view was not ready in time", options_.path.toStdString()))
               : save());
    deleteLater();
  }

  Status save() const {
    QWidget* target = &window_;
    if (View* view = window_.view(options_.view)) target = view;
    if (!target->grab().save(options_.path, "PNG"))
      return make_error(ErrorCode::io, "cannot be written", options_.path.toStdString());
    return {};
  }

  MainWindow& window_;
  ScreenshotOptions options_;
  std::function<void(Status)> done_;
  QElapsedTimer clock_;
  QTimer timer_;
  int quiet_ = 0;
};

} // namespace

void take_screenshot(MainWindow& window, const ScreenshotOptions& options, std::function<void(Status)> done) {
  new Waiter(window, options, std::move(done)); // owned by the window, ends itself
}

} // namespace headscope::gui
