// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/ordinal_lists.h"

namespace headscope {
namespace {

std::vector<std::string> numbers(int last) {
  std::vector<std::string> words;
  for (int i = 1; i <= last; ++i)
    words.push_back(std::to_string(i));
  return words;
}

std::vector<std::string> letters() {
  std::vector<std::string> words;
  for (char c = 'A'; c <= 'Z'; ++c)
    words.emplace_back(1, c);
  return words;
}

std::vector<OrdinalList> make_lists() {
  return {
      {"numbers", numbers(200)},
      {"number_words", {"one",     "two",     "three",     "four",     "five",     "six",      "seven",
                        "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen", "fourteen",
                        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"}},
      {"ordinals", {"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}},
      {"days", {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, true},
      {"months",
       {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December"},
       true},
      {"day_abbreviations", {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}},
      {"month_abbreviations", {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}},
      {"letters", letters()},
      {"roman_numerals",
       {"I",  "II",  "III",  "IV",  "V",  "VI",  "VII",  "VIII",  "IX",  "X",
        "XI", "XII", "XIII", "XIV", "XV", "XVI", "XVII", "XVIII", "XIX", "XX"},
       false,
       true},
  };
}

struct Spelling {
  std::vector<std::int64_t> ids; // one: a single token
};

// SentencePiece tokenizers add the leading space themselves.
Spelling spell(const std::string& word, const Tokenizer& tokenizer) {
  const TokenizeOptions plain{false, false};
  const auto spaced = tokenizer.encode(" " + word, plain);
  if (spaced.ok() && spaced->size() == 1) return {*spaced};
  const auto bare = tokenizer.encode(word, plain);
  if (bare.ok() && bare->size() == 1 && tokenizer.piece(bare->front()).rfind("\xE2\x96\x81", 0) == 0) return {*bare};
  return {spaced.ok() ? *spaced : std::vector<std::int64_t>{}};
}

} // namespace

const std::vector<OrdinalList>& ordinal_lists() {
  static const std::vector<OrdinalList> lists = make_lists();
  return lists;
}

TokenList tokenise_list(const OrdinalList& list, const Tokenizer& tokenizer) {
  TokenList out;
  out.name = list.name;
  out.held_out = list.held_out;
  std::vector<Spelling> spellings;
  std::vector<std::int64_t> index; // of each word in out.tokens; -1: several tokens
  for (const std::string& word : list.words) {
    spellings.push_back(spell(word, tokenizer));
    const bool single = spellings.back().ids.size() == 1;
    index.push_back(single ? static_cast<std::int64_t>(out.tokens.size()) : -1);
    if (!single) continue;
    out.tokens.push_back(spellings.back().ids.front());
    out.words.push_back(word);
    out.places.push_back(std::ssize(index));
  }
  const std::size_t count = list.words.size();
  for (std::size_t i = 0; i + (list.wraps ? 0 : 1) < count; ++i) {
    const std::size_t next = (i + 1) % count;
    if (index[i] >= 0 && index[next] >= 0) {
      out.pairs.push_back({index[i], index[next]});
      continue;
    }
    const std::size_t guilty = index[i] < 0 ? i : next;
    out.dropped.push_back(list.words[i] + " -> " + list.words[next] + ": ' " + list.words[guilty] + "' is " +
                          std::to_string(spellings[guilty].ids.size()) + " tokens");
  }
  return out;
}

} // namespace headscope
