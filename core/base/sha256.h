// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "core/base/result.h"

namespace headscope {

// Lower-case hexadecimal SHA-256.
std::string sha256_hex(const void* data, std::size_t size);

// `proceed`, when given, hears the number of bytes read so far, often; cancelled once it says false.
Result<std::string> sha256_file(const std::string& path, const std::function<bool(std::int64_t)>& proceed = {});

// Of all that more(buffer, room) puts into the buffer, until it puts nothing: how many bytes, or its error.
Result<std::string> sha256_of(const std::function<Result<std::size_t>(void*, std::size_t)>& more);

} // namespace headscope
