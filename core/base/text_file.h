// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/limits.h"
#include "core/base/result.h"

namespace headscope {

// Reads a whole file, which may be a pipe such as a shell's `<(…)`. Returns not_found or io, naming it, also for a pipe
// that nobody opens for writing within seconds; corrupt when it has more than `most` bytes (as an endless device).
Result<std::string> read_text_file(const std::string& path, std::size_t most = limits::text_file_bytes);

// The same for a file that belongs to a model or is opened without being named: a pipe, which could wait for ever, a
// device or a folder is refused as io.
Result<std::string> read_regular_file(const std::string& path, std::size_t most = limits::text_file_bytes);

// Checks that a file to be read later is there; returns not_found or io. Opens nothing, so that a pipe keeps its
// content.
Status check_readable(const std::string& path);

} // namespace headscope
