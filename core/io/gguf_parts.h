// SPDX-License-Identifier: GPL-3.0-or-later
// Opens GGUF files that gguf-split cut into parts: NAME-00001-of-00003.gguf and so on, with the metadata in the first.
#pragma once

#include <string>
#include <vector>

#include "core/io/gguf.h"

namespace headscope {

// Opens the file, or all its parts in order, whichever part `path` is. Returns not_found, naming the part that is
// missing; corrupt where a part belongs to another file.
Result<std::vector<GgufFile>> open_gguf_parts(const std::string& path);

} // namespace headscope
