// SPDX-License-Identifier: GPL-3.0-or-later
// A curve of faithfulness as it is kept in the journal. A journal is written by this program only, and each record has
// its checksum: a payload that does not fit is a defect, which the program's edge reports.
#pragma once

#include <nlohmann/json.hpp>

#include "core/circuits/faithfulness.h"

namespace headscope::methods {

nlohmann::json to_payload(const Curve& curve);
Curve curve_from_payload(const nlohmann::json& payload);

} // namespace headscope::methods
