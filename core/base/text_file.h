// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/limits.h"
#include "core/base/result.h"

namespace headscope {

// The whole file, which may be a pipe, as `<(…)` of a shell gives it. Returns not_found or io, naming it, also of a
// pipe that nobody opens for writing within seconds; corrupt when it has more than `most` bytes (an endless device
// has).
Result<std::string> read_text_file(const std::string& path, std::size_t most = limits::text_file_bytes);

// The same for a file that belongs to a model or is opened by itself: a pipe, which would wait for ever, a device or a
// folder is refused as io.
Result<std::string> read_regular_file(const std::string& path, std::size_t most = limits::text_file_bytes);

// Whether a file that is read later is there: not_found or io. Opens nothing, so that a pipe keeps what it has.
Status check_readable(const std::string& path);

} // namespace headscope
