// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files that gguf-split cut into parts: NAME-00001-of-00003.gguf and so on, the metadata in the first.
#pragma once

#include <string>
#include <vector>

#include "core/io/gguf.h"

namespace headscope {

// The file, or all parts of it in their order, whichever of them `path` is. Returns not_found, naming the part that is
// missing; corrupt where a part is of another file.
Result<std::vector<GgufFile>> open_gguf_parts(const std::string& path);

} // namespace headscope
