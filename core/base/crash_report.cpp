// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/crash_report.h"

#include <csignal>
#include <cstring>
#include <initializer_list>

#include <execinfo.h>
#include <unistd.h>

namespace headscope {
namespace {

void say(const char* text) { [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text)); }

// Does only what a signal handler may do: write(), and backtrace functions that have been loaded before.
extern "C" void on_crash(int signal) {
  const char* name = ::sigabbrev_np(signal);
  say("\nheadscope: a defect of Headscope: SIG");
  say(name != nullptr ? name : "?");
  say(". Please report it, with the command and these lines:\n");
  void* frames[48];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, 48), STDERR_FILENO);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

} // namespace

void report_crashes() {
  void* first[1];
  ::backtrace(first, 1); // loads what it needs, which a handler must not
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL}) {
    struct sigaction action {};
    action.sa_handler = on_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &action, nullptr);
  }
}

} // namespace headscope
