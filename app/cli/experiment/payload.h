// SPDX-License-Identifier: GPL-3.0-or-later
// Values as they are kept in the journal. A journal is written by this program only, and each record has its checksum:
// a payload that does not fit is a defect, which the program's edge reports.
#pragma once

#include <nlohmann/json.hpp>

#include "core/circuits/faithfulness.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::cli {

nlohmann::json to_payload(const DetectorResult& result);
DetectorResult detector_from_payload(const nlohmann::json& payload);

nlohmann::json to_payload(const Curve& curve);
Curve curve_from_payload(const nlohmann::json& payload);

} // namespace headscope::cli
