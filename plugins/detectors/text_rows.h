// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces of running text, all of one length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/sdk/detector.h"

namespace headscope {

// `count` rows of `length` tokens (at most the context), one after the other from the user's text or from a generated
// one; with `bos` each begins as the tokenizer begins a prompt. Fewer where the text is short; invalid_argument where
// it has not one.
Result<std::vector<std::vector<std::int64_t>>> text_rows(const DetectorRun& run, std::int64_t count,
                                                         std::int64_t length, std::uint64_t seed, bool bos = true);

} // namespace headscope
