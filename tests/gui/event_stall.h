// SPDX-License-Identifier: GPL-3.0-or-later
// The longest time that the interface thread works without handling events, in CPU time of that thread: what other
// programs do on a busy machine does not count.
#pragma once

#include <algorithm>
#include <ctime>

#include <QAbstractEventDispatcher>
#include <QObject>
#include <QThread>

namespace headscope::gui::test {

class EventStall : public QObject {
public:
  EventStall() {
    auto* dispatcher = QAbstractEventDispatcher::instance();
    connect(dispatcher, &QAbstractEventDispatcher::awake, this, [this] { look(); });
    connect(dispatcher, &QAbstractEventDispatcher::aboutToBlock, this, [this] { look(); });
    last_ = now();
  }
  // Also where the test itself has called something that an event handler would.
  void look() {
    const double at = now();
    longest_ = std::max(longest_, at - last_);
    last_ = at;
  }
  void restart() {
    last_ = now();
    longest_ = 0.0;
  }
  double longest_ms() const { return longest_; }

private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
  }
  double last_ = 0.0, longest_ = 0.0;
};

} // namespace headscope::gui::test
