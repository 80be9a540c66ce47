// SPDX-License-Identifier: GPL-3.0-or-later
// Remembers what probing a module gave. One small file a module; a cache that cannot be written is no error.
#pragma once

#include <optional>
#include <string>

#include "plugins/host/probe.h"

namespace headscope::plugin {

std::string to_line(const Verdict& verdict); // JSON on one line
std::optional<Verdict> parse_verdict(const std::string& line);

class VerdictCache {
public:
  // An empty folder: remembers nothing.
  VerdictCache(const std::string& folder, const Manifest& manifest, const std::string& program);

  // Nothing when module, manifest or program are other files than they were.
  std::optional<Verdict> read() const;
  void write(const Verdict& verdict) const;

private:
  std::string file_, identity_;
};

} // namespace headscope::plugin
