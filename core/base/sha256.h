// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.h"

namespace headscope {

// Lower-case hexadecimal SHA-256.
std::string sha256_hex(const void* data, std::size_t size);
Result<std::string> sha256_file(const std::string& path);

} // namespace headscope
