// SPDX-License-Identifier: GPL-3.0-or-later
// What libheadscope_mpi.so offers; opened by core/batch/ranks.cpp. Plain C types, so that only the module knows MPI.
#pragma once

#include <cstdint>

namespace headscope::mpi {

inline constexpr const char* module_file = "libheadscope_mpi.so";
inline constexpr const char* module_symbol = "headscope_mpi_module";
inline constexpr int module_version = 1;

// Every rank calls gather, broadcast and largest in the same order. Non-zero results are failures.
struct Module {
  int version;
  int (*start)(int* rank, int* size);
  // Gathers the bytes of all ranks one after the other at rank 0, and their sizes [rank]. The module owns both until
  // the next call.
  int (*gather)(const char* bytes, std::int64_t size, const char** all, const std::int64_t** sizes);
  // Sends bytes of rank 0 to all. The module owns them until the next call.
  int (*broadcast)(const char* bytes, std::int64_t size, const char** received, std::int64_t* received_size);
  int (*largest)(int value, int* result);
  void (*stop)();
  void (*abort)(int code);
};
using ModuleFunction = const Module* (*)();

} // namespace headscope::mpi
