// SPDX-License-Identifier: GPL-3.0-or-later
// The tokens of a planted model and what each of them is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/plant/codes.h"

namespace headscope::plant {

constexpr std::int64_t vocabulary_size = 2048;
// From this id on all tokens are ordinary words, which detectors may draw at random.
constexpr std::int64_t first_plain_id = 1000;

// The position of a word in its list, as the heads see it: modulo 10, 12 and 7.
struct ListPosition {
  int modulo_10 = -1, modulo_12 = -1, modulo_7 = -1; // -1: not counted
  double weight = 0.0;                               // of each part; the squares of the parts sum to 3
};

struct Token {
  std::string piece;  // as in tokenizer.json: a space is Ġ
  bool coded = false; // false: has no identity to match or copy (<bos>)
  Code code;
  bool bos = false, needle = false, needle_start = false, name = false, fruit = false;
  bool spaced = false; // begins with a space
  bool asks = false;   // ":", after which an answer is due
  bool gives = false;  // " to", after which a name is due
  bool ends = false;   // ".", after which a line may end
  int label = -1;      // "A" to "D", with or without a space
  int image = -1;      // what an image shows, and the word for it
  Code needle_code, name_code;
  ListPosition place;
};

struct Vocabulary {
  std::vector<Token> tokens;
  std::map<std::string, std::int64_t> ids; // by piece
  Code newline;
  std::vector<std::string> special; // <bos>, <eos>, <image:cat>, …: the first ids

  const Token& token(const std::string& piece) const { return tokens[static_cast<std::size_t>(ids.at(piece))]; }
};

Vocabulary make_vocabulary(std::uint64_t seed);

// GPT-2's printable stand-in for a byte, in UTF-8.
std::string stand_in(unsigned char byte);

} // namespace headscope::plant
