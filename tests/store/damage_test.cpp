// SPDX-License-Identifier: GPL-3.0-or-later
// A changed byte is an error, never another answer and never the end of the program.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

#include "core/store/trial.h"
#include "tests/store/sample_writer.h"
#include "tests/store/scratch.h"
#include "tests/timed.h"

namespace headscope::store {
namespace {

using testing::HasSubstr;

std::string get(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void put(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path); // another file: the verdict on the last one must not count
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// One to four bytes, each with another value.
std::string changed(std::string bytes, std::size_t within, std::mt19937& random) {
  const std::size_t count = 1 + random() % 4;
  for (std::size_t i = 0; i < count; ++i) {
    char& byte = bytes[random() % within];
    byte = static_cast<char>(byte ^ static_cast<char>(1 + random() % 255));
  }
  return bytes;
}

class Damage : public testing::Test {
protected:
  static int rounds() { return test::timed() ? 300 : 100; }

  Damage() {
    auto out = ResultWriter::create(scratch / "good.h5", {});
    EXPECT_TRUE(out.ok() && sample::write_all(*out).ok() && out->commit().ok());
    good = get(scratch / "good.h5");
    std::memcpy(&content, good.data() + good.size() - 32, sizeof content);
  }

  Scratch scratch;
  std::string good;
  std::uint64_t content = 0; // bytes of the HDF5 part
};

TEST_F(Damage, WholeFileIsReadElsewhere) {
  put(scratch / "copy.h5", good); // not what this process wrote
  auto in = ResultReader::open(scratch / "copy.h5");
  ASSERT_TRUE(in.ok()) << in.error().to_string();
  EXPECT_TRUE(in->info().has_checksums);
  EXPECT_TRUE(in->check_everything().ok());
}

TEST_F(Damage, EveryChangedByteIsSeen) {
  std::mt19937 random(1);
  for (int i = 0; i < rounds(); ++i) {
    put(scratch / "bad.h5", changed(good, good.size(), random));
    const auto in = ResultReader::open(scratch / "bad.h5");
    ASSERT_FALSE(in.ok()) << i;
    ASSERT_EQ(in.error().code, ErrorCode::corrupt) << i << ": " << in.error().to_string();
  }
}

// Older files have no checksums, and what changed in their numbers nobody can see; but the program lives.
TEST_F(Damage, WithoutChecksumsNothingCrashes) {
  std::mt19937 random(2);
  const std::string old = good.substr(0, content);
  for (int i = 0; i < rounds(); ++i) {
    put(scratch / "bad.h5", changed(old, old.size(), random));
    const auto in = ResultReader::open(scratch / "bad.h5");
    if (!in.ok()) continue;
    EXPECT_FALSE(in->info().has_checksums);
    static_cast<void>(in->tree());
    static_cast<void>(in->prompt("ioi-1"));
    static_cast<void>(in->ablation("zero"));
    static_cast<void>(in->patching("resid_pre"));
  }
}

TEST_F(Damage, CutOrLongerFileIsRefused) {
  for (const std::uint64_t size : {content + 1, static_cast<std::uint64_t>(good.size()) - 1}) {
    put(scratch / "cut.h5", good.substr(0, size));
    const auto in = ResultReader::open(scratch / "cut.h5");
    ASSERT_FALSE(in.ok()) << size;
    EXPECT_EQ(in.error().code, ErrorCode::corrupt);
  }
  put(scratch / "longer.h5", good + "and more");
  EXPECT_EQ(ResultReader::open(scratch / "longer.h5").error().code, ErrorCode::corrupt);
  put(scratch / "old.h5", good.substr(0, content));
  EXPECT_TRUE(ResultReader::open(scratch / "old.h5").ok());
}

// The file is large enough that it is not verified as a whole: what is read of it is.
TEST_F(Damage, BlocksAreVerifiedWhereTheyAreRead) {
  std::string bytes = good;
  const std::size_t at = bytes.find("Mary"); // in the heap of strings
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'G';
  put(scratch / "bad.h5", bytes);
  const auto in = ResultReader::open_here(scratch / "bad.h5");
  ASSERT_TRUE(!in.ok() || !in->prompt("ioi-1").ok());
}

} // namespace
} // namespace headscope::store
