// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a file that others wrote in a separate process first. HDF5 1.10 crashes on some damaged files and never returns
// on others; in that process this costs only an error message. Its program is `headscope-probe-result`, beside this
// one.
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope::store {

enum class TrialKind {
  result, // a result file: everything in it
  array,  // any HDF5 file
};

// Returns the error that reading the whole file of this descriptor ends with. An unchanged file is tried once; a file
// that this process wrote is not tried, nor any where the program is missing.
Status try_elsewhere(int fd, const std::string& path, TrialKind kind);
// Marks a file that this process has just written as trusted.
void trust_own_file(const std::string& path);

// The child's side: reads standard input as a file, writes the verdict to standard output and ends the process.
[[noreturn]] void run_trial(TrialKind kind);

const char* to_string(TrialKind kind);

} // namespace headscope::store
