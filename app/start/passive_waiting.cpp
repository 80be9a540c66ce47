// SPDX-License-Identifier: GPL-3.0-or-later
// Lets OpenMP's threads sleep while they wait for work, after a short spin.
//
// By default they spin for milliseconds, which on a shared machine wastes cores that other programs, or this program's
// own threads, could use: a survey took thirty times as long there. Without any spin a quiet machine loses a fifth of
// its speed, since the regions of a forward pass follow one another within microseconds; a thousand turns lose nothing
// there and cost nothing on a busy machine (docs/performance.md). libgomp reads OMP_WAIT_POLICY once, in a constructor
// of its own, before main and before any constructor of the program. A function in .preinit_array runs before those; it
// cannot add variables to the environment that the C library is about to take over, so it starts the program again with
// them. That costs the time of mapping the libraries once.
//
// Where OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, the user's choice is kept.
#include <cstring>

#include <alloca.h>
#include <sys/auxv.h>
#include <unistd.h>

namespace {

bool sets(const char* entry, const char* name) {
  const std::size_t size = std::strlen(name);
  return std::strncmp(entry, name, size) == 0 && entry[size] == '=';
}

void wait_passively(int, char** arguments, char** environment) {
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count)
    if (sets(environment[count], "OMP_WAIT_POLICY") || sets(environment[count], "GOMP_SPINCOUNT")) return;
  if (getauxval(AT_BASE) == 0) return; // started through the loader itself, whose name the next one would have
  const auto* program = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  auto** more = static_cast<char**>(alloca((count + 3) * sizeof(char*)));
  std::memcpy(more, environment, count * sizeof(char*));
  static char passive[] = "OMP_WAIT_POLICY=PASSIVE", spin[] = "GOMP_SPINCOUNT=1000";
  more[count] = passive;
  more[count + 1] = spin;
  more[count + 2] = nullptr;
  if (program != nullptr) ::execve(program, arguments, more);
  ::execve("/proc/self/exe", arguments, more); // both return only when they fail; the program then continues as it is
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_all_constructors)(int, char**,
                                                                                    char**) = &wait_passively;

} // namespace
