// SPDX-License-Identifier: GPL-3.0-or-later
// Tries in a child process whether a module can be opened, so that a crash does no harm. The answer is kept in a cache
// folder as long as module, manifest and program stay the same files.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "plugins/host/manifest.h"

namespace headscope::plugin {

struct Verdict {
  bool good = false;
  std::string reason;                // why not
  std::vector<std::string> provides; // ids of its objects
};

struct ProbeOptions {
  std::string program; // headscope, which knows `plugins probe`
  std::string cache;   // a folder that is made when missing; empty: no cache
  bool fresh = false;  // ask again, whatever the cache says
  std::chrono::milliseconds time_limit{60000};
};

// The program used for probing, beside this one: "DIR/headscope".
std::string standard_probe_program();
// The cache folder $XDG_CACHE_HOME/headscope/plugins, or ~/.cache/headscope/plugins; empty without a home.
std::string standard_cache_folder();

Verdict probe(const Manifest& manifest, const ProbeOptions& options);

// The child's part: opens the module and writes each step (where wanted) and then the verdict to `answers`, one line
// each.
void probe_here(const Manifest& manifest, std::FILE* answers, bool steps);

} // namespace headscope::plugin
