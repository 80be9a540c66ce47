// SPDX-License-Identifier: GPL-3.0-or-later
// Finds the tokens' positions in a text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"

namespace headscope {

struct TokenRange {
  std::int64_t begin = 0, end = 0;
};

// Returns the bytes [begin, end) of each token; tokens that the tokenizer adds (BOS, EOS) are empty. Returns mismatch
// where the tokens do not spell the text, as after a normaliser that changes letters.
Result<std::vector<TokenRange>> token_offsets(const Tokenizer& tokenizer, std::string_view text,
                                              const std::vector<std::int64_t>& ids);

// The tokens that share a byte with [begin, end) of the text; empty tokens are ignored.
TokenRange tokens_over(const std::vector<TokenRange>& offsets, std::size_t begin, std::size_t end);

} // namespace headscope
