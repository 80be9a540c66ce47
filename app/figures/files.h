// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace headscope::figures {

// Writes the bytes under a temporary name beside path, flushes them to the disk, and renames. On failure
// nothing is left under either name. Without overwrite an existing path is already_exists and is kept, even
// when it appears while the bytes are being written.
Status write_atomically(const std::string& path, std::string_view bytes, bool overwrite);

// Returns already_exists when path exists and overwrite is off; called before the work of drawing.
Status check_writable(const std::string& path, bool overwrite);

// Makes a folder and those above it; returns io where it cannot be made.
Status make_folder(const std::string& folder);

} // namespace headscope::figures
