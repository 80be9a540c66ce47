// SPDX-License-Identifier: GPL-3.0-or-later
// A file that is cut while it is mapped: reading beyond its new end raises SIGBUS, which says nothing by itself.
#pragma once

#include <cstddef>

#include <string>

namespace headscope::io {

// From now on one line names the file, and the process ends as after an error of reading. For programs to call, once;
// a SIGBUS elsewhere ends them as it would have.
void report_cut_files();

// Who maps a file says so. Beyond 4096 mappings or names of more than 511 bytes the line names no file, or its
// beginning.
void remember_mapping(const void* begin, std::size_t size, const std::string& path);
void forget_mapping(const void* begin);

} // namespace headscope::io
