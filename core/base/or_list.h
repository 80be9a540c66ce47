// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace headscope {

// Joins names: "zero, mean, resample or uniform".
std::string or_list(const std::vector<std::string>& names);

} // namespace headscope
