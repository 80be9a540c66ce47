// SPDX-License-Identifier: GPL-3.0-or-later
// Threads that share the parts of one job after another. They spin for the next job for a tenth of a millisecond before
// they sleep: waking a thread takes as long, starting one even longer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headscope {

class Workers {
public:
  // `threads` counts the caller; 0: one per core. There are fewer where the system gives no more threads.
  explicit Workers(int threads);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  std::uint64_t count() const { return threads_.size() + 1; }
  // Calls part(i) once for each i < parts, in any order and on any thread, and returns when all are done. Allows one
  // call at a time; a part must not throw.
  void run(std::uint64_t parts, const std::function<void(std::uint64_t)>& part);

private:
  void work();
  void take_parts(std::unique_lock<std::mutex>& lock);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable begins_, ends_;
  const std::function<void(std::uint64_t)>* part_ = nullptr; // of the job; null: none
  std::uint64_t next_ = 0, parts_ = 0;
  std::atomic<std::uint64_t> unfinished_ = 0;
  std::atomic<std::uint64_t> job_ = 0; // how many there have been
  bool stops_ = false;
};

} // namespace headscope
