// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope {

// The whole file, which may be a pipe. not_found or io, naming it.
Result<std::string> read_text_file(const std::string& path);

} // namespace headscope
