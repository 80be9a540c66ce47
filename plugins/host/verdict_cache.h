// SPDX-License-Identifier: GPL-3.0-or-later
// Remembers the result of probing a module, in one small file per module. A cache that cannot be written is not an
// error.
#pragma once

#include <optional>
#include <string>

#include "plugins/host/probe.h"

namespace headscope::plugin {

std::string to_line(const Verdict& verdict); // JSON on one line
std::optional<Verdict> parse_verdict(const std::string& line);

class VerdictCache {
public:
  // With an empty `folder` nothing is remembered.
  VerdictCache(const std::string& folder, const Manifest& manifest, const std::string& program);

  // Returns nothing when module, manifest or program have changed.
  std::optional<Verdict> read() const;
  void write(const Verdict& verdict) const;

private:
  std::string file_, identity_;
};

} // namespace headscope::plugin
