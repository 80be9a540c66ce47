// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "core/base/result.h"

namespace headscope {

// The SHA-256 in lower-case hexadecimal.
std::string sha256_hex(const void* data, std::size_t size);

// `proceed`, when given, is called often with the number of bytes read so far; once it returns false, the result is
// cancelled.
Result<std::string> sha256_file(const std::string& path, const std::function<bool(std::int64_t)>& proceed = {});

// The SHA-256 of everything that more(buffer, room) puts into the buffer until it returns 0; it returns how many bytes
// it put there, or an error.
Result<std::string> sha256_of(const std::function<Result<std::size_t>(void*, std::size_t)>& more);

} // namespace headscope
