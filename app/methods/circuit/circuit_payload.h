// SPDX-License-Identifier: GPL-3.0-or-later
// A curve of faithfulness as kept in the journal. Only this program writes journals, and each record has a checksum, so
// a payload that does not fit is a defect, which main() reports.
#pragma once

#include <nlohmann/json.hpp>

#include "core/circuits/faithfulness.h"

namespace headscope::methods {

nlohmann::json to_payload(const Curve& curve);
Curve curve_from_payload(const nlohmann::json& payload);

} // namespace headscope::methods
