// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope {

// A result computed by a thread of its own from construction on. Destroying it cancels unfinished work.
template <typename T> class Background {
public:
  // The work must test its task's cancel token often; its progress is not reported.
  using Work = std::function<Result<T>(const RunControl&)>;

  explicit Background(Work work) {
    const auto all = [this, work = std::move(work)] {
      Result<T> result = work(control_);
      const std::lock_guard lock(mutex_);
      result_.emplace(std::move(result));
      done_.notify_all();
    };
    try {
      thread_ = std::thread(all);
    } catch (const std::system_error&) { // the system gives no more threads
      all();
    }
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background() {
    control_.cancel.cancel();
    if (thread_.joinable()) thread_.join();
  }

  Result<T> wait() const {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }
  // Waits up to this time; returns whether the work is done.
  bool wait_for(std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, time, [this] { return result_.has_value(); });
  }

private:
  RunControl control_;
  mutable std::mutex mutex_;
  mutable std::condition_variable done_;
  std::optional<Result<T>> result_;
  std::thread thread_;
};

} // namespace headscope
