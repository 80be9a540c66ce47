// SPDX-License-Identifier: GPL-3.0-or-later
// What a long-running call needs from its caller: a way to be cancelled and a way to report progress.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace headscope {

// A flag shared by the caller that may cancel and the code that works. Copies refer to the same flag.
class CancelToken {
public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_->load(std::memory_order_relaxed); }

private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

struct Progress {
  std::string stage;      // what is being done, e.g. "ablating heads"
  std::int64_t done = 0;  // in units of the stage
  std::int64_t total = 0; // 0: unknown
};

// Called often from the working thread; the receiver throttles.
using ProgressFn = std::function<void(const Progress&)>;

// Passed to every long-running call.
struct RunControl {
  CancelToken cancel;
  ProgressFn progress; // may be empty

  void report(const std::string& stage, std::int64_t done, std::int64_t total) const {
    if (progress) progress(Progress{stage, done, total});
  }
};

} // namespace headscope
