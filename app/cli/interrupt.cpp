// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/interrupt.h"

#include <csignal>

#include <unistd.h>

namespace headscope::cli {
namespace {

const CancelToken& token() {
  static const CancelToken shared;
  return shared;
}

// Only what a signal handler may do: a lock-free atomic store, write() and resetting the handler.
extern "C" void on_signal(int signal) {
  token().cancel();
  static const char text[] = "\nstopping after this step; once more to stop at once\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof(text) - 1);
  std::signal(signal, SIG_DFL);
}

} // namespace

void catch_interrupts() {
  token(); // made before a signal can come
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error as a full disk is
}

CancelToken interrupt_token() { return token(); }
bool interrupted() { return token().cancelled(); }

} // namespace headscope::cli
