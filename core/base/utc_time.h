// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace headscope {

// The time now as written into files: UTC, ISO 8601. SOURCE_DATE_EPOCH (reproducible-builds.org) replaces it, so that
// the files of two runs can be compared.
std::string utc_time();

} // namespace headscope
