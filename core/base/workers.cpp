// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/workers.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace headscope {
namespace {

void rest() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Spins until the condition holds, for at most a tenth of a millisecond.
template <typename Condition> void look_out(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
  while (!condition() && std::chrono::steady_clock::now() < end)
    for (int i = 0; i < 16 && !condition(); ++i)
      rest();
}

} // namespace

Workers::Workers(int threads) {
  const unsigned wanted =
      threads > 0 ? static_cast<unsigned>(threads) : std::max(1U, std::thread::hardware_concurrency());
  threads_.reserve(wanted);
  try {
    for (unsigned i = 1; i < wanted; ++i)
      threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) { // no more threads: those that there are do the work
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    ++job_;
  }
  begins_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void Workers::take_parts(std::unique_lock<std::mutex>& lock) {
  while (next_ < parts_) {
    const std::uint64_t mine = next_++;
    const auto& part = *part_;
    lock.unlock();
    part(mine);
    lock.lock();
    if (--unfinished_ == 0) ends_.notify_all();
  }
}

void Workers::work() {
  std::uint64_t seen = 0;
  while (true) {
    look_out([&] { return job_ != seen; });
    std::unique_lock lock(mutex_);
    begins_.wait(lock, [this] { return stops_ || next_ < parts_; });
    seen = job_;
    if (stops_) return;
    take_parts(lock);
  }
}

void Workers::run(std::uint64_t parts, const std::function<void(std::uint64_t)>& part) {
  std::unique_lock lock(mutex_);
  part_ = &part;
  next_ = 0, parts_ = parts, unfinished_ = parts;
  if (parts > 1) {
    ++job_;
    begins_.notify_all();
  }
  take_parts(lock);
  lock.unlock();
  look_out([this] { return unfinished_ == 0; });
  lock.lock();
  ends_.wait(lock, [this] { return unfinished_ == 0; });
  parts_ = 0, part_ = nullptr;
}

} // namespace headscope
