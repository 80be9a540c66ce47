// SPDX-License-Identifier: GPL-3.0-or-later
// The Porter stemmer (Porter 1980) with the changes of NLTK's default mode, NLTK_EXTENSIONS; step numbers are
// the paper's. In a list of rules, the first whose suffix matches decides, whether or not its condition holds.
#include <array>
#include <initializer_list>

#include "core/scoring/rouge.h"

namespace headscope {
namespace {

using std::string;
using std::string_view;

bool is_vowel_letter(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'; }

// A `y` is a consonant unless a consonant precedes it.
bool is_consonant(string_view word, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && word[begin] == 'y')
    --begin;
  bool consonant = !is_vowel_letter(word[begin]);
  for (std::size_t i = begin; i < at; ++i)
    consonant = !consonant;
  return consonant;
}

// The measure m of [C](VC){m}[V].
int measure(string_view stem) {
  int count = 0;
  bool after_vowel = false;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    const bool consonant = is_consonant(stem, i);
    if (consonant && after_vowel) ++count;
    after_vowel = !consonant;
  }
  return count;
}

bool contains_vowel(string_view stem) {
  for (std::size_t i = 0; i < stem.size(); ++i) {
    if (!is_consonant(stem, i)) return true;
  }
  return false;
}

bool ends_double_consonant(string_view word) {
  const std::size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

bool ends_cvc(string_view word) {
  const std::size_t n = word.size();
  if (n == 2) return !is_consonant(word, 0) && is_consonant(word, 1);
  if (n < 3) return false;
  const char last = word[n - 1];
  return is_consonant(word, n - 3) && !is_consonant(word, n - 2) && is_consonant(word, n - 1) && last != 'w' &&
         last != 'x' && last != 'y';
}

struct Rule {
  string_view suffix;
  string_view replacement;
};

// Replaces the suffix when the measure of what is left is above `above`.
string apply_rules(const string& word, std::initializer_list<Rule> rules, int above) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const string stem = word.substr(0, word.size() - rule.suffix.size());
    return measure(stem) > above ? stem + string(rule.replacement) : word;
  }
  return word;
}

string step1a(const string& word) {
  if (word.ends_with("ies") && word.size() == 4) return word.substr(0, 3);
  return apply_rules(word, {{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}}, -1);
}

string step1b(const string& word) {
  if (word.ends_with("ied")) return word.substr(0, word.size() - (word.size() == 4 ? 1 : 2));
  if (word.ends_with("eed"))
    return measure(word.substr(0, word.size() - 3)) > 0 ? word.substr(0, word.size() - 1) : word;
  string stem;
  for (const string_view suffix : {string_view("ed"), string_view("ing")}) {
    if (!word.ends_with(suffix)) continue;
    const string rest = word.substr(0, word.size() - suffix.size());
    if (contains_vowel(rest)) {
      stem = rest;
      break;
    }
  }
  if (stem.empty()) return word;
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_double_consonant(stem)) {
    const char last = stem.back();
    return last == 'l' || last == 's' || last == 'z' ? stem : stem.substr(0, stem.size() - 1);
  }
  return measure(stem) == 1 && ends_cvc(stem) ? stem + "e" : stem;
}

string step1c(const string& word) {
  const std::size_t n = word.size();
  if (!word.ends_with('y') || n < 3 || !is_consonant(string_view(word).substr(0, n - 1), n - 2)) return word;
  return word.substr(0, n - 1) + "i";
}

string step2(const string& word) {
  const std::size_t n = word.size();
  if (word.ends_with("alli") && measure(word.substr(0, n - 4)) > 0) return step2(word.substr(0, n - 2));
  // The l of "logi" belongs to the stem; no suffix tried before ends in "logi".
  if (word.ends_with("logi")) return measure(word.substr(0, n - 3)) > 0 ? word.substr(0, n - 1) : word;
  return apply_rules(word,
                     {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
                      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
                      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
                      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
                      {"fulli", "ful"}},
                     0);
}

string step3(const string& word) {
  return apply_rules(
      word,
      {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}, 0);
}

string step4(const string& word) {
  if (word.ends_with("ion")) {
    const string stem = word.substr(0, word.size() - 3);
    return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? stem : word;
  }
  return apply_rules(word,
                     {{"al", ""},
                      {"ance", ""},
                      {"ence", ""},
                      {"er", ""},
                      {"ic", ""},
                      {"able", ""},
                      {"ible", ""},
                      {"ant", ""},
                      {"ement", ""},
                      {"ment", ""},
                      {"ent", ""},
                      {"ou", ""},
                      {"ism", ""},
                      {"ate", ""},
                      {"iti", ""},
                      {"ous", ""},
                      {"ive", ""},
                      {"ize", ""}},
                     1);
}

string step5(string word) {
  if (word.ends_with('e')) {
    const string stem = word.substr(0, word.size() - 1);
    if (measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(word.substr(0, word.size() - 1)) > 1) word.pop_back();
  return word;
}

struct Irregular {
  string_view word;
  string_view stem;
};
constexpr std::array<Irregular, 16> irregular_words = {{{"sky", "sky"},
                                                        {"skies", "sky"},
                                                        {"dying", "die"},
                                                        {"lying", "lie"},
                                                        {"tying", "tie"},
                                                        {"news", "news"},
                                                        {"innings", "inning"},
                                                        {"inning", "inning"},
                                                        {"outings", "outing"},
                                                        {"outing", "outing"},
                                                        {"cannings", "canning"},
                                                        {"canning", "canning"},
                                                        {"howe", "howe"},
                                                        {"proceed", "proceed"},
                                                        {"exceed", "exceed"},
                                                        {"succeed", "succeed"}}};

} // namespace

string porter_stem(string_view word) {
  for (const Irregular& irregular : irregular_words) {
    if (word == irregular.word) return string(irregular.stem);
  }
  if (word.size() <= 2) return string(word);
  return step5(step4(step3(step2(step1c(step1b(step1a(string(word))))))));
}

} // namespace headscope
