// SPDX-License-Identifier: GPL-3.0-or-later
// Nothing is lost: not by an existing file, a full disk, a missing folder or a killed run.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/store/sample_writer.h"
#include "tests/store/scratch.h"

namespace headscope::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
std::string get(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Disk, ExistingFileIsKept) {
  Scratch scratch;
  const std::string file = scratch / "run.h5";
  put(file, "mine");
  auto refused = ResultWriter::create(file, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::already_exists);
  EXPECT_THAT(refused.error().to_string(), HasSubstr(file));
  EXPECT_THAT(scratch.names(), ElementsAre("run.h5"));
  {
    auto out = ResultWriter::create(file, {true, {}, 4});
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(get(file), "mine"); // until the commit
  }
  EXPECT_EQ(get(file), "mine"); // and without one
  EXPECT_THAT(scratch.names(), ElementsAre("run.h5"));
  auto out = ResultWriter::create(file, {true, {}, 4});
  ASSERT_TRUE(out.ok());
  ASSERT_TRUE(out->commit().ok());
  EXPECT_TRUE(ResultReader::open(file).ok());
  EXPECT_THAT(scratch.names(), ElementsAre("run.h5"));
}

TEST(Disk, FileMadeMeanwhileIsKeptAndSoAreTheResults) {
  Scratch scratch;
  const std::string file = scratch / "run.h5";
  auto out = ResultWriter::create(file, {});
  ASSERT_TRUE(out.ok());
  put(file, "somebody else's");
  const Status status = out->commit();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::already_exists);
  EXPECT_EQ(get(file), "somebody else's");
  const std::string kept = file + ".new-" + std::to_string(::getpid());
  EXPECT_THAT(status.error().message, HasSubstr(kept));
  EXPECT_TRUE(ResultReader::open(kept).ok());
}

TEST(Disk, InterruptedWorkIsMarked) {
  Scratch scratch;
  auto out = ResultWriter::create(scratch / "run.h5", {});
  ASSERT_TRUE(out.ok());
  ASSERT_TRUE(out->add_scores(sample::scores()).ok());
  ASSERT_TRUE(out->commit(false).ok());
  const auto in = ResultReader::open(scratch / "run.h5");
  ASSERT_TRUE(in.ok());
  EXPECT_FALSE(in->info().complete);
  EXPECT_TRUE(in->scores("induction").ok());
}

TEST(Disk, BadPlacesAreRefusedBeforeAnyWork) {
  Scratch scratch;
  auto missing = ResultWriter::create(scratch / "no/run.h5", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::io);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("no/run.h5: its folder does not exist"));
  put(scratch / "file", "x");
  EXPECT_EQ(ResultWriter::create(scratch / "file/run.h5", {}).error().code, ErrorCode::io);
  EXPECT_EQ(ResultWriter::create(scratch.path(), {true, {}, 4}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(ResultWriter::create(scratch.path() + "/", {}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(ResultWriter::create("/dev/full", {true, {}, 4}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(ResultWriter::create("", {}).error().code, ErrorCode::invalid_argument);
}

// Runs `body` in a child process; returns its exit code, or -1 when it was killed.
template <typename Body> int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Disk, UnwritableFolderIsRefused) {
  Scratch scratch;
  ::chmod(scratch.path().c_str(), 0555);
  const int code = in_child([&] {
    if (::getuid() == 0 && ::setuid(65534) != 0) return 9; // root may write anywhere
    auto out = ResultWriter::create(scratch / "run.h5", {});
    if (out.ok()) return 1;
    return out.error().code == ErrorCode::io && out.error().file == scratch / "run.h5" ? 0 : 2;
  });
  ::chmod(scratch.path().c_str(), 0755);
  EXPECT_EQ(code, 0);
}

TEST(Disk, LeftoversOfDeadRunsAreRemovedAndLiveOnesKept) {
  Scratch scratch;
  const std::string file = scratch / "run.h5";
  const int code = in_child([&] {
    auto out = ResultWriter::create(file, {});
    if (out.ok()) ::raise(SIGKILL);
    return 1;
  });
  ASSERT_EQ(code, -1);
  ASSERT_EQ(scratch.names().size(), 1U);
  put(scratch / ".run.h5.partial-notes", "not ours");
  put(scratch / ".other.h5.partial-1", "of another file");
  auto first = ResultWriter::create(file, {});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(scratch.names().size(), 3U); // the two above and its own
  auto second = ResultWriter::create(file, {});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(scratch.names().size(), 4U);
  ASSERT_TRUE(first->commit().ok());
  EXPECT_EQ(second->commit().error().code, ErrorCode::already_exists);
  EXPECT_TRUE(ResultReader::open(file).ok());
}

// Writes maps until the disk refuses. Returns 0 when there was one clear error and nothing is left behind.
int write_until_refused(const std::string& file, const char* reason) {
  auto out = ResultWriter::create(file, {true, {}, 0});
  if (!out.ok()) return out.error().code == ErrorCode::io ? 0 : 1;
  const std::vector<float> rows(256 * 1024, 0.5F);
  Status status;
  for (int i = 0; i < 64 && status.ok(); ++i) {
    status = out->add_prompt(sample::prompt("p" + std::to_string(i)));
    if (!status.ok()) break;
    auto map = out->begin_attention({"p" + std::to_string(i), {{0, 0}}, 1024, 1024, DType::float32, {}});
    if (!map.ok()) {
      status = map.error();
      break;
    }
    for (int q = 0; q < 1024 && status.ok(); q += 256)
      status = map->write_rows(0, q, rows);
  }
  const Status committed = out->commit();
  if (committed.ok()) return 2;
  if (committed.error().code != ErrorCode::io) return 3;
  if (committed.error().file != file) return 4;
  if (committed.error().message.find(reason) == std::string::npos) {
    std::fprintf(stderr, "%s\n", committed.error().to_string().c_str());
    return 5;
  }
  return committed.error().message.find('\n') == std::string::npos ? 0 : 6;
}

// A child may fail in HDF5's own clean-up at its end, so it leaves through exit() and not _exit().
template <typename Body> int in_exiting_child(const Body& body) {
  return in_child([&]() -> int { std::exit(body()); });
}

TEST(Disk, WriteThatIsRefusedIsOneClearError) {
  Scratch scratch;
  const std::string file = scratch / "run.h5";
  for (const rlim_t limit : {0, 100, 3000, 20000, 100000, 1000000, 3000000, 9999999}) {
    put(file, "older");
    const int code = in_exiting_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit size{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &size);
      return write_until_refused(file, "File too large");
    });
    EXPECT_EQ(code, 0) << limit;
    EXPECT_EQ(get(file), "older") << limit;
    EXPECT_THAT(scratch.names(), ElementsAre("run.h5")) << limit;
  }
}

TEST(Disk, FullDiskIsOneClearError) {
  Scratch scratch;
  const std::string disk = scratch / "disk";
  std::filesystem::create_directory(disk);
  for (const char* size : {"size=16k", "size=64k", "size=1m", "size=5m"}) {
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, size) != 0) GTEST_SKIP() << "needs the right to mount";
    const std::string file = disk + "/run.h5";
    put(file, "older");
    EXPECT_EQ(in_exiting_child([&] { return write_until_refused(file, "No space left on device"); }), 0) << size;
    EXPECT_EQ(get(file), "older") << size;
    int names = 0;
    for (const auto& entry : std::filesystem::directory_iterator(disk))
      names += entry.exists() ? 1 : 0;
    EXPECT_EQ(names, 1) << size;
    ::umount(disk.c_str());
  }
}

// Small results stay in HDF5's caches until the file is closed: every disk size must fail cleanly or succeed.
TEST(Disk, DiskThatFillsAtTheCommitIsOneClearError) {
  Scratch scratch;
  int refused = 0;
  int written = 0;
  for (rlim_t limit = 1000; limit < 260000; limit += 2777) {
    const std::string file = scratch / "run.h5";
    const int code = in_exiting_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit size{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &size);
      auto out = ResultWriter::create(file, {});
      if (!out.ok()) return 1;
      const Status parts = sample::write_all(*out);
      const Status status = out->commit();
      if (!parts.ok() && (status.ok() || parts.error().code != ErrorCode::io)) return 3;
      if (status.ok()) return 0;
      return status.error().code == ErrorCode::io ? 1 : 2;
    });
    ASSERT_TRUE(code == 0 || code == 1) << limit << ": " << code;
    EXPECT_EQ(std::filesystem::exists(file), code == 0) << limit;
    if (code == 0) {
      auto in = ResultReader::open(file);
      ASSERT_TRUE(in.ok()) << limit << ": " << in.error().to_string();
      ASSERT_TRUE(in->tree().ok() && in->ablation("zero").ok()) << limit;
    }
    (code == 0 ? written : refused) += 1;
    std::filesystem::remove(file);
    ASSERT_TRUE(scratch.names().empty()) << limit;
  }
  EXPECT_GT(refused, 5);
  EXPECT_GT(written, 0);
}

} // namespace
} // namespace headscope::store
