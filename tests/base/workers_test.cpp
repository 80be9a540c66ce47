// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/workers.h"

#include <atomic>
#include <set>

#include <gtest/gtest.h>

namespace headscope {
namespace {

TEST(Workers, EveryPartIsDoneOnce) {
  for (const int threads : {1, 2, 5}) {
    Workers workers(threads);
    EXPECT_EQ(workers.count(), static_cast<std::uint64_t>(threads));
    for (const std::uint64_t parts : {0U, 1U, 2U, 1000U}) {
      std::vector<std::atomic<int>> done(parts);
      workers.run(parts, [&](std::uint64_t i) { ++done[i]; });
      for (const auto& times : done)
        EXPECT_EQ(times.load(), 1);
    }
  }
}

TEST(Workers, AllOfThemWork) {
  constexpr int threads = 4;
  Workers workers(threads);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> there = 0;
  workers.run(threads, [&](std::uint64_t) { // each waits for the others, so that none does two
    ++there;
    while (there < threads)
      std::this_thread::yield();
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(threads));
  EXPECT_EQ(seen.count(std::this_thread::get_id()), 1U);
}

TEST(Workers, OneJobAfterAnother) {
  Workers workers(3);
  std::atomic<std::uint64_t> sum = 0;
  for (int job = 0; job < 2000; ++job)
    workers.run(3, [&](std::uint64_t i) { sum += i; });
  EXPECT_EQ(sum.load(), 2000U * 3);
}

} // namespace
} // namespace headscope
