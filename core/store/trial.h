// SPDX-License-Identifier: GPL-3.0-or-later
// Reading a file that others wrote in a process of its own first. HDF5 1.10 crashes on some damaged files and never
// ends on others; there that costs one line. The program for it is `headscope-probe-result`, beside this one.
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope::store {

enum class TrialKind {
  result, // a result file: everything in it
  array,  // any HDF5 file
};

// The error that reading the file of this descriptor as a whole ends with. Asked once for an unchanged file; nothing is
// asked for a file that this process wrote, or where the program is missing.
Status try_elsewhere(int fd, const std::string& path, TrialKind kind);
// A file that this process has just written.
void trust_own_file(const std::string& path);

// The other side: reads standard input as a file, writes the verdict to standard output and ends the process.
[[noreturn]] void run_trial(TrialKind kind);

const char* to_string(TrialKind kind);

} // namespace headscope::store
