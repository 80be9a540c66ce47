// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/interrupt.h"

#include <csignal>
#include <initializer_list>

#include <unistd.h>

namespace headscope::cli {
namespace {

const CancelToken& token() {
  static const CancelToken shared;
  return shared;
}

// Does only what a signal handler may do: a lock-free atomic store, write() and resetting the handler.
extern "C" void on_signal(int signal) {
  token().cancel();
  static const char text[] = "\nstopping after this step; once more to stop at once\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof(text) - 1);
  std::signal(signal, SIG_DFL);
}

// oneDNN's matrix products for AVX-512 keep values below the stack pointer, beyond the area that a handler leaves
// alone: a signal in the middle of one would overwrite them, and the product would write anywhere. So the handler gets
// its own stack.
void handle_on_own_stack(std::initializer_list<int> signals) {
  static char memory[1 << 16];
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  for (const int signal : signals)
    ::sigaction(signal, &action, nullptr);
}

} // namespace

void catch_interrupts() {
  token(); // made before a signal can come
  handle_on_own_stack({SIGINT, SIGTERM});
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error as a full disk is
}

CancelToken interrupt_token() { return token(); }
bool interrupted() { return token().cancelled(); }

} // namespace headscope::cli
