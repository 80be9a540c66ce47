// SPDX-License-Identifier: GPL-3.0-or-later
// A detector's result as kept in the journal. Only this program writes journals, and each record has a checksum, so a
// payload that does not fit is a defect, which main() reports.
#pragma once

#include <nlohmann/json.hpp>

#include "plugins/sdk/detector_result.h"

namespace headscope::methods {

nlohmann::json to_payload(const DetectorResult& result);
DetectorResult detector_from_payload(const nlohmann::json& payload);

} // namespace headscope::methods
