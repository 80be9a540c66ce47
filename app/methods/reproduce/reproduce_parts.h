// SPDX-License-Identifier: GPL-3.0-or-later
// Functions that the reproductions share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/reproduce/reproduce_runs.h"
#include "core/sweeps/head_ablation.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::methods {

// Runs one detector; nothing where it does not fit the model.
Result<std::optional<DetectorResult>> detected(const Engine& engine, const std::string& id,
                                               const std::vector<std::string>& set, const std::string& haystack,
                                               const Context& context);
nlohmann::json finding(const DetectorResult& result, const std::string& name);

std::string share_text(std::int64_t part, std::size_t whole); // "25 of 32 (78.1 %)"

// Reproduces Merullo et al. 2310.08744 (reproduce_merullo.cpp).
Result<Reproduction> merullo2024(const Engine& engine, const ReproduceOptions& options, const Context& context);

} // namespace headscope::methods
