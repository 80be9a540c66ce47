// SPDX-License-Identifier: GPL-3.0-or-later
// The longest wall-clock time between two turns of the event loop, which also shows a handler that waits for another
// thread. A plain thread that only sleeps beside it shows how much of that is due to the machine.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <QObject>
#include <QTimer>

namespace headscope::gui::test {

class LoopStall : public QObject {
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds beat{5};

public:
  LoopStall() : control_([this] { sleep_beside(); }) {
    timer_.setTimerType(Qt::PreciseTimer);
    timer_.setInterval(beat);
    connect(&timer_, &QTimer::timeout, this, [this] {
      longest_ms_ = std::max(longest_ms_, since(last_));
      last_ = Clock::now();
    });
    timer_.start();
  }
  ~LoopStall() override {
    stop_ = true;
    control_.join();
  }

  double longest_ms() const { return longest_ms_; }          // of the event loop
  double longest_sleep_ms() const { return longest_sleep_; } // of the thread beside it

private:
  static double since(Clock::time_point from) {
    return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
  }
  void sleep_beside() {
    while (!stop_) {
      const auto from = Clock::now();
      std::this_thread::sleep_for(beat);
      longest_sleep_ = std::max(longest_sleep_.load(), since(from));
    }
  }

  Clock::time_point last_ = Clock::now();
  double longest_ms_ = 0.0;
  std::atomic<double> longest_sleep_ = 0.0;
  std::atomic<bool> stop_ = false;
  QTimer timer_;
  std::thread control_; // last: starts when all else is there
};

} // namespace headscope::gui::test
