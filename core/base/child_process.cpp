// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace headscope {
namespace {

constexpr std::size_t kept_bytes = 64 << 10;

class Pipe {
public:
  Pipe() { open_ = ::pipe2(ends_.data(), O_CLOEXEC) == 0; }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  bool is_open() const { return open_; }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_end(std::size_t which) {
    if (ends_[which] >= 0) ::close(std::exchange(ends_[which], -1));
  }

private:
  std::array<int, 2> ends_{-1, -1};
  bool open_ = false;
};

// This process's environment with the request's additions.
std::vector<std::string> environment_of(const ChildRequest& request) {
  std::vector<std::string> list;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    if (request.environment.count(text.substr(0, text.find('='))) == 0) list.push_back(text);
  }
  for (const auto& [name, value] : request.environment)
    list.push_back(name + "=" + value);
  return list;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts)
    list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// Starts the child in its own process group, so that whatever it starts ends with it.
Result<pid_t> spawn(const ChildRequest& request, const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  if (request.input >= 0)
    posix_spawn_file_actions_adddup2(&files, request.input, 0);
  else
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.write_end(), 1);
  posix_spawn_file_actions_adddup2(&files, err.write_end(), 2);
  if (!request.folder.empty()) posix_spawn_file_actions_addchdir_np(&files, request.folder.c_str());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::vector<std::string> command = request.command, environment = environment_of(request);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, command.front().c_str(), &files, &attributes, pointers(command).data(),
                                 pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    return make_error(error == ENOENT ? ErrorCode::not_found : ErrorCode::io,
                      std::string("cannot be run: ") + std::strerror(error), request.command.front());
  return pid;
}

// Reads what is there without waiting; returns false at the end.
bool read_some(int fd, std::string& text) {
  char buffer[4096];
  const ssize_t count = ::read(fd, buffer, sizeof buffer);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  text.append(buffer, static_cast<std::size_t>(count));
  if (text.size() > 2 * kept_bytes) text.erase(0, text.size() - kept_bytes);
  return count > 0;
}

// Reads both pipes, waiting at most `wait_ms`.
void read_both(Pipe& out, Pipe& err, ChildOutcome& outcome, int wait_ms) {
  pollfd ends[] = {{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}}; // poll() ignores negative descriptors
  if (::poll(ends, 2, wait_ms) <= 0) return;
  if (ends[0].revents != 0 && !read_some(out.read_end(), outcome.out)) out.close_end(0);
  if (ends[1].revents != 0 && !read_some(err.read_end(), outcome.err)) err.close_end(0);
}

void drain(Pipe& out, Pipe& err, ChildOutcome& outcome) {
  for (const int fd : {out.read_end(), err.read_end()})
    if (fd >= 0) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 64 && (out.read_end() >= 0 || err.read_end() >= 0); ++i)
    read_both(out, err, outcome, 0);
}

} // namespace

Result<ChildOutcome> run_child(const ChildRequest& request) {
  Pipe out, err;
  if (!out.is_open() || !err.is_open()) return make_error(ErrorCode::io, std::strerror(errno), "pipe");
  HS_ASSIGN(const pid_t pid, spawn(request, out, err));
  out.close_end(1);
  err.close_end(1);
  const auto end = std::chrono::steady_clock::now() + request.time_limit;
  ChildOutcome outcome;
  bool cancelled = false;
  while (::waitpid(pid, &outcome.status, WNOHANG) == 0) {
    cancelled = request.cancel.cancelled();
    outcome.timed_out = std::chrono::steady_clock::now() >= end;
    if (cancelled || outcome.timed_out) {
      ::kill(-pid, SIGKILL);
      ::waitpid(pid, &outcome.status, 0);
      break;
    }
    if (out.read_end() >= 0 || err.read_end() >= 0)
      read_both(out, err, outcome, 20);
    else
      ::poll(nullptr, 0, 5);
  }
  drain(out, err, outcome);
  if (cancelled) return make_error(ErrorCode::cancelled, "cancelled");
  return outcome;
}

std::string how_it_ended(const ChildOutcome& outcome, const ChildRequest& request) {
  if (outcome.timed_out)
    return "did not end within " + std::to_string((request.time_limit.count() + 999) / 1000) + " s";
  if (WIFSIGNALED(outcome.status))
    return "was ended by signal " + std::to_string(WTERMSIG(outcome.status)) + " (" +
           strsignal(WTERMSIG(outcome.status)) + ")";
  return "ended with exit status " + std::to_string(WEXITSTATUS(outcome.status));
}

std::string last_lines(const std::string& text, std::size_t count) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n')
      lines.emplace_back();
    else if (static_cast<unsigned char>(c) >= 0x20 || c == '\t')
      lines.back() += c;
  }
  std::erase_if(lines, [](const std::string& line) { return line.find_first_not_of(" \t") == std::string::npos; });
  std::string joined;
  for (std::size_t i = lines.size() > count ? lines.size() - count : 0; i < lines.size(); ++i)
    joined += (joined.empty() ? "" : " | ") + lines[i].substr(lines[i].find_first_not_of(" \t"));
  return joined;
}

} // namespace headscope
