// SPDX-License-Identifier: GPL-3.0-or-later
// How close this engine's logits were to the reference's, for files whose SHA-256 is known. The numbers are those that
// tests/engine measures against tests/golden; docs/parity.md lists all of them.
#pragma once

#include <optional>
#include <string>

namespace headscope {

struct ParityRecord {
  std::string sha256, reference, dtype;
  double max_abs_logit_error = 0.0;
};

std::optional<ParityRecord> parity_of(const std::string& sha256);

} // namespace headscope
