// SPDX-License-Identifier: GPL-3.0-or-later
// Cuts a long text into pieces of a given number of tokens, for measurements over a corpus.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope {

struct CorpusOptions {
  std::int64_t length = 128;   // tokens of a text, a BOS among them
  std::int64_t most_texts = 0; // the first of them; 0: all
  bool bos = true;             // each text begins with a BOS where the model's tokenizer puts one before a text
};

struct Corpus {
  std::vector<std::vector<std::int64_t>> texts; // the last may be shorter
  std::int64_t added = 0;                       // tokens in front of each text that are not the corpus's: 0 or 1
  std::int64_t length = 0;

  // The index in the corpus of the text's first token.
  std::int64_t start(std::size_t text) const { return static_cast<std::int64_t>(text) * (length - added); }
};

// Returns invalid_argument for a text without tokens, and for a length that leaves no room beside the BOS.
Result<Corpus> cut_corpus(const Tokenizer& tokenizer, const std::string& text, const CorpusOptions& options);

// Cuts a file or a folder, which load_haystack() reads. Returns mismatch where a text is longer than `n_ctx`.
Result<Corpus> read_corpus(const Tokenizer& tokenizer, const std::string& path, std::int64_t n_ctx,
                           const CorpusOptions& options);

} // namespace headscope
