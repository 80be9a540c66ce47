// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "core/vocabulary/ablation.h"
#include "core/vocabulary/head_id.h"

namespace headscope {
namespace {

TEST(HeadNames, AreReadAsTheyAreWritten) {
  const HeadId head{18, 6};
  EXPECT_EQ(head_name(head), "18.6");
  EXPECT_EQ(read_head_name("18.6"), head);
  for (const char* other : {"", "18", "18.", ".6", "18.6 ", "18.6.1", "L18H6", "18,6", "99999999999.1"})
    EXPECT_FALSE(read_head_name(other).has_value()) << other;
}

TEST(HeadNames, OfPeople) {
  const auto heads = parse_heads("2.1, L1H0 2.0-1", 3, 2);
  ASSERT_TRUE(heads.ok()) << heads.error().to_string();
  EXPECT_EQ(*heads, (std::vector<HeadId>{{2, 1}, {1, 0}, {2, 0}}));
  for (const char* refused : {"", "3.0", "0.2", "1-0", "x"})
    EXPECT_EQ(parse_heads(refused, 3, 2).error().code, ErrorCode::invalid_argument) << refused;
}

TEST(Names, OfAnEnumeration) {
  EXPECT_EQ(all_names<Phase>(), "prefill, decode or both");
  EXPECT_EQ(name_list<Phase>(), (std::vector<std::string>{"prefill", "decode", "both"}));
  EXPECT_EQ(*parse_name<AblationMethod>("resample", "method"), AblationMethod::resample);
  const Error error = parse_name<AblationMethod>("none", "method").error();
  EXPECT_EQ(error.message, "none is not one of zero, mean, resample or uniform");
}

} // namespace
} // namespace headscope
