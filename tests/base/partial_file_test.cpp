// SPDX-License-Identifier: GPL-3.0-or-later
// The file under the final name is whole, or the one from before.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/partial_file.h"
#include "core/base/standard_streams.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class WholeFile : public testing::Test {
protected:
  WholeFile() {
    std::string name = (fs::temp_directory_path() / "headscope-base-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder = name;
  }
  ~WholeFile() override { fs::remove_all(folder); }

  std::string operator/(const std::string& name) const { return (folder / name).string(); }
  static std::string get(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder))
      out.push_back(entry.path().filename());
    return out;
  }

  fs::path folder;
};

TEST_F(WholeFile, ReplacesOnlyWhenAsked) {
  const std::string file = *this / "a.csv";
  ASSERT_TRUE(write_file(file, "one", false).ok());
  EXPECT_EQ(write_file(file, "two", false).error().code, ErrorCode::already_exists);
  EXPECT_EQ(get(file), "one");
  ASSERT_TRUE(write_file(file, "two", true).ok());
  EXPECT_EQ(get(file), "two");
  EXPECT_THAT(names(), ElementsAre("a.csv"));
  EXPECT_EQ(write_file(*this / "none/a.csv", "x", true).error().code, ErrorCode::io);
  EXPECT_EQ(write_file(folder.string(), "x", true).error().code, ErrorCode::invalid_argument);
}

TEST_F(WholeFile, AFullDiskLeavesTheOldOne) {
  const std::string file = *this / "a.csv";
  ASSERT_TRUE(write_file(file, "old", false).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit size{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &size);
    const Status status = write_file(file, std::string(5000, 'x'), true);
    ::_exit(!status.ok() && status.error().code == ErrorCode::io ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(get(file), "old");
  EXPECT_THAT(names(), ElementsAre("a.csv"));
}

// An attacker who knows the names of temporary files may put links there.
TEST_F(WholeFile, TemporariesFollowNoLink) {
  const std::string victim = *this / "victim", file = *this / "a.csv";
  ASSERT_TRUE(write_file(victim, "mine", false).ok());
  const std::string partial = "/.a.csv.partial-" + std::to_string(::getpid());
  for (const std::string& name : {partial, std::string("/a.csv.partial")})
    fs::create_symlink(victim, folder.string() + name);
  ASSERT_TRUE(write_file(file, "new", false).ok());
  EXPECT_EQ(get(victim), "mine");
  EXPECT_EQ(get(file), "new");
  EXPECT_FALSE(fs::is_symlink(file));
}

TEST_F(WholeFile, LongNamesAndStreams) {
  EXPECT_TRUE(write_file(*this / std::string(255, 'n'), "x", false).ok());
  EXPECT_TRUE(write_file("/dev/null", "x", true).ok());
  EXPECT_EQ(write_file("/dev/full", std::string(100000, 'x'), true).error().code, ErrorCode::io);
}

TEST(StandardStreams, ClosedOnesAreTaken) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int fd : {0, 1, 2})
      ::close(fd);
    open_standard_streams();
    const int next = ::open("/dev/null", O_RDWR);
    // Nothing can be written to the closed descriptors, and no file gets their numbers.
    ::_exit(next > 2 && ::write(1, "x", 1) < 0 && ::write(2, "x", 1) < 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

} // namespace
} // namespace headscope
