// SPDX-License-Identifier: GPL-3.0-or-later
// The lists that successor heads count along (Gould et al. 2312.09230).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace headscope {

struct OrdinalList {
  std::string name;
  std::vector<std::string> words; // in order, without the leading space
  bool wraps = false;             // the last is followed by the first
  bool held_out = false;          // reported apart, not pooled
};

// Numbers 1-200, number words, ordinals, days, months, their abbreviations, letters; Roman numerals held out.
const std::vector<OrdinalList>& ordinal_lists();

struct OrdinalPair {
  std::int64_t from = 0, to = 0; // indices into TokenList::tokens
};

// A list as single tokens of one tokenizer, each word with a leading space.
struct TokenList {
  std::string name;
  bool held_out = false;
  std::vector<std::string> words;
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> places; // of each word in the whole list, from 1
  std::vector<OrdinalPair> pairs;
  std::vector<std::string> dropped; // "twelve -> thirteen: ' thirteen' is 2 tokens"
};

TokenList tokenise_list(const OrdinalList& list, const Tokenizer& tokenizer);

} // namespace headscope
