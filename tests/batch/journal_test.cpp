// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/journal.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "core/base/crc32c.h"
#include "core/batch/shard.h"
#include "tests/new_folder.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::string bytes_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class JournalTest : public testing::Test {
protected:
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string made(int cells) const {
    auto journal = Journal::create(path, header);
    EXPECT_TRUE(journal.ok());
    for (int i = 0; i < cells; ++i)
      EXPECT_TRUE(journal->append(i, result(i)).ok());
    return bytes_of(path);
  }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }
  static nlohmann::json result(int i) { return {{"effects", {0.1 * i, -1e-300, 3.5}}, {"n", i}}; }

  const std::string folder = test::new_folder();
  const std::string path = folder + "/r.h5.journal";
  const JournalHeader header{"abc", 10, "2026-01-01T00:00:00Z", "headscope run x.toml", "x.toml", "[model]\n", "r.h5"};
};

TEST(Crc32c, OfTheStandardsExamples) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu); // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST_F(JournalTest, KeepsEveryBitOfWhatWasAppended) {
  made(3);
  const auto read = read_journal(path);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->header, header);
  ASSERT_EQ(read->cells.size(), 3u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(read->cells.at(i), result(i));
  EXPECT_EQ(unpack_cells(pack_cells(read->cells)).value(), read->cells);
}

TEST_F(JournalTest, NanStaysNan) {
  auto journal = Journal::create(path, header);
  ASSERT_TRUE(journal->append(0, {std::nan(""), INFINITY}).ok());
  const nlohmann::json back = read_journal(path)->cells.at(0);
  EXPECT_TRUE(std::isnan(back[0].get<double>()));
  EXPECT_TRUE(std::isinf(back[1].get<double>()));
}

TEST_F(JournalTest, CutOffAnywhereItKeepsTheWholeRecordsAndGoesOn) {
  const std::string whole = made(4);
  const std::size_t header_end = [&] {
    std::filesystem::remove(path);
    return made(0).size();
  }();
  for (std::size_t size = header_end; size < whole.size(); ++size) {
    write(whole.substr(0, size));
    auto read = read_journal(path);
    ASSERT_TRUE(read.ok()) << size;
    const auto kept = static_cast<int>(read->cells.size());
    EXPECT_LT(kept, 4);
    auto journal = Journal::resume(path, *read);
    ASSERT_TRUE(journal.ok());
    for (int i = kept; i < 4; ++i)
      ASSERT_TRUE(journal->append(i, result(i)).ok());
    ASSERT_EQ(bytes_of(path), whole) << size;
  }
}

TEST_F(JournalTest, AFlippedBitEndsWhatIsTrusted) {
  const std::string whole = made(4);
  const std::size_t end = whole.size();
  for (std::size_t at = 0; at < end; at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write(damaged);
    const auto read = read_journal(path);
    if (!read.ok()) {
      EXPECT_EQ(read.error().code, ErrorCode::corrupt);
      EXPECT_EQ(read.error().file, path);
      continue;
    }
    EXPECT_EQ(read->header, header);
    EXPECT_LT(read->cells.size(), 4u);
    for (const auto& [cell, found] : read->cells)
      EXPECT_EQ(found, result(static_cast<int>(cell)));
  }
}

TEST_F(JournalTest, RefusesOtherFilesAndDoesNotReplaceOne) {
  write("something else");
  EXPECT_EQ(read_journal(path).error().code, ErrorCode::corrupt);
  EXPECT_EQ(Journal::create(path, header).error().code, ErrorCode::already_exists);
  EXPECT_EQ(bytes_of(path), "something else");
  EXPECT_EQ(read_journal(folder + "/none").error().code, ErrorCode::not_found);
  EXPECT_EQ(Journal::create(folder + "/none/x", header).error().code, ErrorCode::io);
}

TEST_F(JournalTest, HasOneWriter) {
  auto first = Journal::create(path, header);
  ASSERT_TRUE(first.ok());
  const auto second = Journal::resume(path, *read_journal(path));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().file, path);
  EXPECT_THAT(second.error().message, HasSubstr("another process"));
}

TEST(Shard, IsWritten) {
  const auto shard = parse_shard("1/3");
  ASSERT_TRUE(shard.ok());
  EXPECT_FALSE(shard->has(0));
  EXPECT_TRUE(shard->has(4));
  for (const char* bad : {"", "1", "3/3", "-1/3", "1/0", "a/2", "1/2x", "/2"})
    EXPECT_EQ(parse_shard(bad).error().code, ErrorCode::invalid_argument) << bad;
}

} // namespace
} // namespace headscope
