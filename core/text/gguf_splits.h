// SPDX-License-Identifier: GPL-3.0-or-later
// The meaning of tokenizer.ggml.pre: the patterns that split a text before byte-pair encoding.
#pragma once

#include <string_view>
#include <vector>

namespace headscope::text {

struct GgufSplit {
  // Applied one after another, each on the pieces that the one before left; both matches and the text between them are
  // pieces.
  std::vector<std::string_view> patterns;
  bool ignore_merges = false; // a piece that is in the vocabulary is one token, whatever the merges say
  bool add_bos = false;       // where the file does not say
};

// Returns null for an unknown pre-tokenizer. Names and meanings are llama.cpp's; patterns are those of the models' own
// tokenizers wherever llama.cpp only rewrites them.
const GgufSplit* find_gguf_split(std::string_view pre);

} // namespace headscope::text
