// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/or_list.h"

#include <gtest/gtest.h>

namespace headscope {
namespace {

TEST(OrList, ReadsAsASentence) {
  EXPECT_EQ(or_list({}), "");
  EXPECT_EQ(or_list({"zero"}), "zero");
  EXPECT_EQ(or_list({"zero", "mean"}), "zero or mean");
  EXPECT_EQ(or_list({"zero", "mean", "resample", "uniform"}), "zero, mean, resample or uniform");
}

} // namespace
} // namespace headscope
