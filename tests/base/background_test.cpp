// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/background.h"

#include <string>

#include <gtest/gtest.h>

namespace headscope {
namespace {

TEST(Background, IsWaitedForByWhoeverAsks) {
  std::atomic<bool> may_end = false;
  const Background<std::string> work([&](const RunControl&) -> Result<std::string> {
    while (!may_end)
      std::this_thread::yield();
    return std::string("done");
  });
  EXPECT_FALSE(work.wait_for(std::chrono::milliseconds(1)));
  may_end = true;
  EXPECT_EQ(*work.wait(), "done");
  EXPECT_EQ(*work.wait(), "done"); // again
  EXPECT_TRUE(work.wait_for(std::chrono::milliseconds(0)));
}

TEST(Background, HandsOnAnError) {
  const Background<int> work(
      [](const RunControl&) -> Result<int> { return make_error(ErrorCode::io, "cannot be read", "a file"); });
  EXPECT_EQ(work.wait().error().file, "a file");
}

TEST(Background, IsCancelledWhenNobodyWantsItAnyMore) {
  std::atomic<bool> ended = false;
  {
    const Background<int> work([&](const RunControl& control) -> Result<int> {
      while (!control.cancel.cancelled())
        std::this_thread::yield();
      ended = true;
      return make_error(ErrorCode::cancelled, "cancelled");
    });
  }
  EXPECT_TRUE(ended);
}

} // namespace
} // namespace headscope
