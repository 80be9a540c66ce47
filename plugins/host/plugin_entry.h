// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of one plugin, as plain values.
#pragma once

#include <string>
#include <vector>

namespace headscope::plugin {

struct PluginEntry {
  std::string id;       // from the manifest, or as much as is known
  std::string kind;     // "detector", "mechanism", "python-detector"; empty: not known
  std::string manifest; // file
  std::string module;   // file
  bool loaded = false;
  std::string reason;                // why it was refused
  std::vector<std::string> provides; // ids of its detectors or mechanisms
};

} // namespace headscope::plugin
