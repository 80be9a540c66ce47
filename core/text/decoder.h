// SPDX-License-Identifier: GPL-3.0-or-later
// Decoders of tokenizer.json: pieces back to text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/regex.h"

namespace headscope::text {

class Decoder {
public:
  virtual ~Decoder() = default;
  virtual Status apply(std::vector<std::string>& pieces) const = 0;
};
using Decoders = std::vector<std::unique_ptr<Decoder>>;

std::unique_ptr<Decoder> decode_byte_level();
std::unique_ptr<Decoder> decode_byte_fallback();
std::unique_ptr<Decoder> decode_fuse();
std::unique_ptr<Decoder> decode_strip(std::string character, std::size_t start, std::size_t stop);
std::unique_ptr<Decoder> decode_replace(std::string literal, std::string content);
std::unique_ptr<Decoder> decode_replace(Regex pattern, std::string content);
// `drop_first`: replacement characters of the first piece vanish instead of becoming spaces.
std::unique_ptr<Decoder> decode_metaspace(std::string replacement, bool drop_first);

// Pieces with the prefix continue a word, others are separated by spaces; `cleanup` removes spaces before punctuation
// and contractions.
std::unique_ptr<Decoder> decode_word_piece(std::string prefix, bool cleanup);

// The bytes of a byte-level piece; the piece itself when it is not written in the byte alphabet.
std::string byte_level_bytes(std::string_view piece);
// The value of a piece "<0xAB>", or -1.
int byte_of_piece(std::string_view piece);

} // namespace headscope::text
