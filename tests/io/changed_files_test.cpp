// SPDX-License-Identifier: GPL-3.0-or-later
// Files that other programs rename, write to or truncate while a model is read from them.
#include <chrono>

#include <gtest/gtest.h>

#include "core/base/sha256.h"
#include "core/io/checkpoint.h"
#include "core/io/mapped_fault.h"
#include "tests/io/files.h"

namespace headscope::io {
namespace {

namespace fs = std::filesystem;

std::string sha256_of_text(const std::string& text) { return sha256_hex(text.data(), text.size()); }

std::string gguf_with(const std::string& data) {
  Gguf gguf;
  gguf.tensors = {gguf_tensor("x", {8}, 0, 0)};
  gguf.data = data;
  return gguf.bytes();
}

TEST(ChangedFiles, TheHashIsOfTheFileThatWasOpened) {
  const TemporaryFolder folder;
  const std::string first = gguf_with(std::string(32, '\0')), second = gguf_with(std::string(32, '\1'));
  const std::string path = folder.write("m.gguf", first);
  const auto checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint.ok());
  fs::rename(folder.write("other.gguf", second), path);
  EXPECT_EQ(checkpoint->identity_sha256({}).value(), sha256_of_text(first));
  EXPECT_TRUE(checkpoint->check_unchanged().ok());
}

TEST(ChangedFiles, ConfigJsonAsItWasRead) {
  const TemporaryFolder folder;
  folder.write("config.json", "{\"a\": 1}");
  const std::string weights = safetensors_of("x", {1.0F});
  folder.write("model.safetensors", weights);
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint.ok());
  folder.write("config.json", "{\"a\": 2}");
  EXPECT_EQ(checkpoint->identity_sha256({}).value(),
            sha256_of_text("config.json  " + sha256_of_text("{\"a\": 1}") + "\nmodel.safetensors  " +
                           sha256_of_text(weights) + "\n"));
}

TEST(ChangedFiles, WritingIntoAFileIsNoticed) {
  const TemporaryFolder folder;
  const std::string path = folder.write("m.gguf", gguf_with(std::string(32, '\0')));
  const auto checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint.ok());
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file << '\1';
  }
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1)); // clocks of file systems are coarse
  EXPECT_EQ(checkpoint->check_unchanged().error().code, ErrorCode::corrupt);
  EXPECT_EQ(checkpoint->identity_sha256({}).error().code, ErrorCode::corrupt);
}

TEST(ChangedFilesDeathTest, ACutFileIsNamedAndEndsAsAReadErrorDoes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const TemporaryFolder folder;
  const std::string path = folder.write("cut.bin", std::string(1 << 20, 'x'));
  const auto read_cut_file = [&] {
    report_cut_files();
    const auto mapped = MappedFile::open(path);
    fs::resize_file(path, 16);
    volatile std::uint8_t last = mapped->bytes().back();
    static_cast<void>(last);
  };
  EXPECT_EXIT(read_cut_file(), testing::ExitedWithCode(5), "cut.bin: cannot be read to its end");
}

TEST(ChangedFiles, ForgottenMappingsLeaveRoom) {
  const TemporaryFolder folder;
  const std::string path = folder.write("x.bin", "x");
  for (int i = 0; i < 10000; ++i)
    ASSERT_TRUE(MappedFile::open(path).ok());
}

} // namespace
} // namespace headscope::io
