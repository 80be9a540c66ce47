// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace headscope {

// Now, as files that are written say it: UTC, ISO 8601. SOURCE_DATE_EPOCH (reproducible-builds.org) in its place makes
// the files of two runs comparable.
std::string utc_time();

} // namespace headscope
