// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/vocabulary.h"

#include <algorithm>
#include <cmath>

#include "core/plant/space.h"
#include "core/plant/words.h"

namespace headscope::plant {
namespace {

constexpr std::uint64_t codes_purpose = 1;
const std::string space = "\xC4\xA0"; // Ġ

// Makes words without meaning: "bakado", "bakadu", …
std::string made_up_word(std::size_t i) {
  constexpr const char* consonants = "bdfgklmnprstvz";
  constexpr const char* vowels = "aeiou";
  std::string word;
  for (int syllable = 0; syllable < 3; ++syllable) {
    word += consonants[i % 14];
    i /= 14;
    word += vowels[i % 5];
    i /= 5;
  }
  return word;
}

class Builder {
public:
  Vocabulary build(std::uint64_t seed) {
    add_special();
    for (int byte = 0; byte < 256; ++byte)
      add(stand_in(static_cast<unsigned char>(byte)));
    add_flagged();
    for (const std::string& word : plain_words())
      add(space + word);
    for (const std::string& word : line_starts())
      add(word);
    for (std::size_t i = 0; out_.tokens.size() < vocabulary_size; ++i)
      add(space + made_up_word(i * 37));
    mark_signs();
    draw(seed);
    return std::move(out_);
  }

private:
  // Adds a piece; one that is there already stays unchanged.
  Token& add(const std::string& piece) {
    const auto [entry, fresh] = out_.ids.emplace(piece, static_cast<std::int64_t>(out_.tokens.size()));
    if (fresh) {
      out_.tokens.emplace_back();
      out_.tokens.back().piece = piece;
    }
    return out_.tokens[static_cast<std::size_t>(entry->second)];
  }

  void add_special() {
    add("<bos>").bos = true;
    add("<eos>");
    for (const std::string& word : image_words())
      add("<image:" + word + ">");
    for (const Token& token : out_.tokens)
      out_.special.push_back(token.piece);
  }

  void add_flagged() {
    for (const std::string& word : needle_starts()) {
      Token& token = add(space + word);
      token.needle = token.needle_start = true;
    }
    for (const std::string& word : needle_words())
      add(word == "." ? word : space + word).needle = true;
    for (const Sequence& sequence : sequences())
      add_sequence(sequence);
    for (const std::string& word : names())
      add(space + word).name = true;
    for (const std::string& word : fruits())
      add(space + word).fruit = true;
  }

  void add_sequence(const Sequence& sequence) {
    for (std::size_t i = 0; i < sequence.words.size(); ++i) {
      ListPosition& place = add(space + sequence.words[i]).place;
      if (place.weight != 0.0) continue; // "May" of the abbreviations, "I" of the Roman numerals
      const int at = static_cast<int>(i) + sequence.first;
      const bool every = !sequence.weekdays && !sequence.months;
      if (every) place.modulo_10 = at % 10;
      if (every || sequence.months) place.modulo_12 = at % 12;
      if (every || sequence.weekdays) place.modulo_7 = at % 7;
      place.weight = every ? 1.0 : std::sqrt(3.0);
    }
  }

  void mark_signs() {
    add(":").asks = true;
    add(space + "to").gives = true;
    add(".").ends = true;
    for (int i = 0; i < label_size; ++i)
      for (const std::string& before : {std::string(), space})
        add(before + static_cast<char>('A' + i)).label = i;
    for (int i = 0; i < image_size; ++i) {
      const std::string& word = image_words()[static_cast<std::size_t>(i)];
      add("<image:" + word + ">").image = i;
      add(space + word).image = i;
    }
  }

  void draw(std::uint64_t seed) {
    Splitmix random(seed, codes_purpose);
    const auto need = [&](bool Token::*flag) {
      return static_cast<std::size_t>(
          std::count_if(out_.tokens.begin(), out_.tokens.end(), [&](const Token& token) { return token.*flag; }));
    };
    const std::size_t names_needed = need(&Token::name);
    std::vector<Code> codes; // names first: to shun one must not be to shun another
    add_codes(codes, names_needed, identity_size, name_identity_distance, random);
    add_codes(codes, out_.tokens.size() - names_needed, identity_size, identity_distance, random);
    std::vector<Code> of_names(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(names_needed));
    codes.erase(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(names_needed));
    std::vector<Code> needles = draw_short_codes(need(&Token::needle), needle_size, needle_distance, random);
    std::vector<Code> named = draw_short_codes(names_needed, name_size, name_distance, random);
    const auto take = [](std::vector<Code>& from) {
      const Code code = from.back();
      from.pop_back();
      return code;
    };
    for (Token& token : out_.tokens) {
      token.spaced = token.piece.starts_with(space);
      token.coded = !token.bos;
      token.code = take(token.name ? of_names : codes);
      if (token.needle) token.needle_code = take(needles);
      if (token.name) token.name_code = take(named);
    }
    out_.newline = out_.token(stand_in('\n')).code;
  }

  Vocabulary out_;
};

} // namespace

Vocabulary make_vocabulary(std::uint64_t seed) { return Builder().build(seed); }

std::string stand_in(unsigned char byte) {
  const auto printable = [](int b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b)
      code += printable(b) ? 0 : 1;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

} // namespace headscope::plant
