// SPDX-License-Identifier: GPL-3.0-or-later
// What tokenizer.ggml.pre stands for: the patterns that cut a text before byte-pair encoding.
#pragma once

#include <string_view>
#include <vector>

namespace headscope::text {

struct GgufSplit {
  // One after another, each on the pieces that the one before it left; matches and what is between them stay pieces.
  std::vector<std::string_view> patterns;
  bool ignore_merges = false; // a piece that is in the vocabulary is one token, whatever the merges say
  bool add_bos = false;       // where the file does not say
};

// Null: no such pre-tokenizer is known. The names and their meaning are llama.cpp's, the patterns those of the models'
// own tokenizers wherever llama.cpp only rewrites them.
const GgufSplit* find_gguf_split(std::string_view pre);

} // namespace headscope::text
