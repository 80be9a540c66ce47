// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "core/text/gguf_tokenizer.h"

namespace headscope::text {

// The tokens after which generation ends, in order of id: EOS, EOT and EOM, and those that llama.cpp recognises by
// their text, since most files name one end token and their templates use another.
std::vector<std::int64_t> gguf_ends(const GgufTokenizerData& data);

} // namespace headscope::text
