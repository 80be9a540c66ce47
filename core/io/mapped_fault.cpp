// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/mapped_fault.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>

#include <unistd.h>

#include "core/base/result.h"

namespace headscope::io {
namespace {

// Mappings are kept in memory of their own, since the handler may neither allocate nor wait for a lock.
struct Mapping {
  std::atomic<std::uintptr_t> begin{0}; // 0: free
  std::atomic<std::size_t> size{0};
  std::array<char, 512> path{};
};

std::array<Mapping, 4096> mappings;
std::mutex writers;

void write_out(const char* text, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(STDERR_FILENO, text, size);
    if (written <= 0) return;
    text += written;
    size -= static_cast<std::size_t>(written);
  }
}

void write_out(const char* text) { write_out(text, std::strlen(text)); }

const Mapping* mapping_at(std::uintptr_t address) {
  for (const Mapping& mapping : mappings) {
    const std::uintptr_t begin = mapping.begin.load(std::memory_order_acquire);
    if (begin != 0 && address >= begin && address - begin < mapping.size.load(std::memory_order_relaxed))
      return &mapping;
  }
  return nullptr;
}

// Calls only what a signal handler may.
void on_bus_error(int signal, siginfo_t* info, void*) {
  const Mapping* mapping = mapping_at(reinterpret_cast<std::uintptr_t>(info->si_addr));
  if (!mapping) {
    ::signal(signal, SIG_DFL); // the access happens again
    return;
  }
  write_out("headscope: ");
  write_out(mapping->path.data());
  write_out(": cannot be read to its end any more: it was cut while it was open, or the disk failed\n");
  ::_exit(exit_code(ErrorCode::io));
}

} // namespace

void report_cut_files() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

void remember_mapping(const void* begin, std::size_t size, const std::string& path) {
  const std::lock_guard lock(writers);
  for (Mapping& mapping : mappings) {
    if (mapping.begin.load(std::memory_order_relaxed) != 0) continue;
    const std::size_t length = std::min(path.size(), mapping.path.size() - 1);
    std::memcpy(mapping.path.data(), path.data(), length);
    mapping.path[length] = '\0';
    for (char* c = mapping.path.data(); *c != '\0'; ++c)
      if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) *c = '?'; // nothing that a terminal obeys
    mapping.size.store(size, std::memory_order_relaxed);
    mapping.begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_release);
    return;
  }
}

void forget_mapping(const void* begin) {
  const std::lock_guard lock(writers);
  for (Mapping& mapping : mappings)
    if (mapping.begin.load(std::memory_order_relaxed) == reinterpret_cast<std::uintptr_t>(begin))
      return mapping.begin.store(0, std::memory_order_release);
}

} // namespace headscope::io
