// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/rouge.h"

#include <algorithm>
#include <map>

namespace headscope {
namespace {

bool is_word_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Lowers a text as Python's str.lower() does, as far as it matters here: besides A-Z only the Kelvin sign and the
// dotted capital I (which gives i and a combining dot) become ASCII letters.
std::string lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\xE2\x84\xAA")) {
      out += 'k';
      i += 2;
    } else if (text.substr(i).starts_with("\xC4\xB0")) {
      out += "i\xCC\x87";
      i += 1;
    } else {
      const char c = text[i];
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

} // namespace

std::vector<std::string> rouge_tokens(std::string_view text, bool stem) {
  const std::string lowered = lower(text);
  std::vector<std::string> tokens;
  auto end = lowered.begin();
  while (true) {
    const auto begin = std::find_if(end, lowered.end(), is_word_character);
    if (begin == lowered.end()) return tokens;
    end = std::find_if_not(begin, lowered.end(), is_word_character);
    const std::string word(begin, end);
    tokens.push_back(stem && word.size() > 3 ? porter_stem(word) : word);
  }
}

RougeScore rouge1(std::string_view reference, std::string_view candidate, bool stem) {
  const auto expected = rouge_tokens(reference, stem);
  const auto given = rouge_tokens(candidate, stem);
  std::map<std::string, std::int64_t> open;
  for (const std::string& word : expected)
    ++open[word];
  std::int64_t shared = 0;
  for (const std::string& word : given) {
    const auto found = open.find(word);
    if (found == open.end() || found->second == 0) continue;
    --found->second;
    ++shared;
  }
  RougeScore score;
  const auto count = static_cast<double>(shared);
  score.precision = count / static_cast<double>(std::max<std::size_t>(given.size(), 1));
  score.recall = count / static_cast<double>(std::max<std::size_t>(expected.size(), 1));
  const double sum = score.precision + score.recall;
  score.f1 = sum > 0.0 ? 2.0 * score.precision * score.recall / sum : 0.0;
  return score;
}

} // namespace headscope
