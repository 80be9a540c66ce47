// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a program to its end, or to a time limit, and keeps its output.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope {

struct ChildRequest {
  std::vector<std::string> command;               // the program (searched for in PATH) and its arguments
  std::map<std::string, std::string> environment; // added to the own one
  std::string folder;                             // to run in; empty: the current one
  std::chrono::milliseconds time_limit{30000};
  CancelToken cancel;
  int input = -1; // a descriptor that becomes its standard input; none: it has nothing to read
};

struct ChildOutcome {
  int status = 0;         // as waitpid() gives it
  bool timed_out = false; // it was killed
  std::string out, err;   // the last 64 KiB of each

  bool good() const { return status == 0 && !timed_out; }
};

// Returns not_found when there is no such program, and cancelled.
Result<ChildOutcome> run_child(const ChildRequest& request);

// Says how a child ended: "ended with exit status 3", "was ended by signal 11 (Segmentation fault)", "did not end
// within 30 s".
std::string how_it_ended(const ChildOutcome& outcome, const ChildRequest& request);

// The last lines that are not empty, joined by " | ".
std::string last_lines(const std::string& text, std::size_t count);

} // namespace headscope
