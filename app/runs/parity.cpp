// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/runs/parity.h"

#include <nlohmann/json.hpp>

#include "app/runs/parity_table.h" // resources/parity.json as a string, made by CMake

namespace headscope {

std::optional<ParityRecord> parity_of(const std::string& sha256) {
  const nlohmann::json table = nlohmann::json::parse(parity_table, nullptr, false);
  for (const nlohmann::json& entry : table.value("models", nlohmann::json::array())) {
    if (entry.value("sha256", "") != sha256) continue;
    return ParityRecord{sha256, entry.value("reference", ""), entry.value("dtype", ""),
                        entry.value("max_abs_logit_error", 0.0)};
  }
  return std::nullopt;
}

} // namespace headscope
