// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "core/base/crc32c.h"
#include "core/base/plain_text.h"
#include "core/base/result.h"
#include "core/base/utc_time.h"

namespace headscope {
namespace {

TEST(PlainText, KeepsWhatIsText) {
  const std::string text = "d\u00e9j\u00e0 vu, \u65e5\u672c\u8a9e \U0001F469\u200D\U0001F680 \\n";
  EXPECT_EQ(plain_text(text), text);
}

TEST(PlainText, HasNothingThatATerminalObeys) {
  EXPECT_EQ(plain_text("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(plain_text("\u009b31m"), "\\u009b31m");           // CSI as one character
  EXPECT_EQ(plain_text("\x9b"), "\\x9b");                     // and as a byte
  EXPECT_EQ(plain_text("x\u202ecod.exe"), "x\\u202ecod.exe"); // right to left
  EXPECT_EQ(plain_text("\xe2\x82"), "\\xe2\\x82");            // half of a character
  EXPECT_EQ(plain_text("\xed\xa0\x80"), "\\xed\\xa0\\x80");   // a surrogate
  EXPECT_EQ(plain_text(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(make_error(ErrorCode::corrupt, "m\u009b", "f\x1b", "g\n").to_string(), "f\\x1b: g\\x0a: m\\u009b");
}

TEST(PlainText, MakesNamesOfFiles) {
  EXPECT_EQ(file_name_text("scores-induction"), "scores-induction");
  EXPECT_EQ(file_name_text("../a\x1b"), "_.._a_x1b");
  EXPECT_EQ(file_name_text(""), "_");
  EXPECT_EQ(file_name_text("-rf"), "_-rf");
  EXPECT_LE(file_name_text(std::string(1000, 'x')).size(), 200U);
  const std::string cut = file_name_text("a" + std::string(100, 'x') + "\u65e5\u672c", 103); // within a character
  EXPECT_EQ(plain_text(cut), cut);
}

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U); // RFC 3720, B.4, also below
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(UtcTime, FollowsSourceDateEpoch) {
  ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  EXPECT_EQ(utc_time(), "2023-11-14T22:13:20Z");
  ::setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
  EXPECT_NE(utc_time().substr(0, 4), "1970");
  ::unsetenv("SOURCE_DATE_EPOCH");
}

} // namespace
} // namespace headscope
