// SPDX-License-Identifier: GPL-3.0-or-later
// Models that look words up: whole words, or, as BERT, the longest pieces of a word from the left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/text/token_model.h"

namespace headscope::text {

struct WordPieceOptions {
  std::int64_t unk = -1;
  std::string prefix = "##"; // of a piece that continues a word
  std::size_t longest = 100; // characters; a longer word is unknown
};

std::unique_ptr<TokenModel> make_word_level(const Vocabulary& vocabulary, std::int64_t unk);
std::unique_ptr<TokenModel> make_word_piece(const Vocabulary& vocabulary, WordPieceOptions options);

} // namespace headscope::text
