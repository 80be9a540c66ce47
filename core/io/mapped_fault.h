// SPDX-License-Identifier: GPL-3.0-or-later
// Reports files that are truncated while mapped: reading beyond the new end raises SIGBUS, which by itself says
// nothing.
#pragma once

#include <cstddef>

#include <string>

namespace headscope::io {

// Makes such a SIGBUS print one line that names the file and end the process as after a read error. Programs call this
// once; a SIGBUS elsewhere ends them as it would have.
void report_cut_files();

// Must be called by code that maps a file. Beyond 4096 mappings the line names no file; names are cut at 511 bytes.
void remember_mapping(const void* begin, std::size_t size, const std::string& path);
void forget_mapping(const void* begin);

} // namespace headscope::io
