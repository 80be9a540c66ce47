// SPDX-License-Identifier: GPL-3.0-or-later
// Reports of a circuit that was found.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "app/methods/circuit/circuit_run.h"

namespace headscope::methods {

nlohmann::json to_json(const CircuitOutcome& outcome);
std::string text_of(const CircuitOutcome& outcome);

} // namespace headscope::methods
