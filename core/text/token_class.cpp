// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/token_class.h"

#include <array>

#include "core/text/unicode.h"

namespace headscope {
namespace {

struct Look {
  bool space_before = false, space_after = false, line = false;
  char32_t first = 0; // that is not white space; 0: there is none
  char32_t last = 0;
};

Look look_at(const std::string& bytes) {
  std::string storage;
  std::string_view rest = text::valid_utf8(bytes, storage);
  Look look;
  while (!rest.empty()) {
    const text::CodePoint c = text::first_code_point(rest);
    rest.remove_prefix(c.length);
    look.line = look.line || c.value == U'\n';
    if (text::is_whitespace(c.value)) {
      (look.first == 0 ? look.space_before : look.space_after) = true;
      continue;
    }
    look.space_after = false;
    if (look.first == 0) look.first = c.value;
    look.last = c.value;
  }
  return look;
}

} // namespace

const char* token_class_name(TokenClass kind) {
  static constexpr std::array<const char*, token_class_count> names = {"special",     "line", "space",    "number",
                                                                       "punctuation", "word", "word_part"};
  return names[static_cast<std::size_t>(kind)];
}

std::vector<TokenClass> token_classes(const std::vector<UnitToken>& tokens) {
  std::vector<TokenClass> classes;
  bool inside = false; // whether the token before ended within a word
  for (const UnitToken& token : tokens) {
    const Look look = token.special ? Look{} : look_at(token.text);
    TokenClass kind = TokenClass::special;
    if (!token.special) {
      if (look.first == 0)
        kind = look.line ? TokenClass::line : TokenClass::space;
      else if (text::is_numeric(look.first))
        kind = TokenClass::number;
      else if (!text::is_word(look.first))
        kind = TokenClass::punctuation; // or a symbol
      else
        kind = inside && !look.space_before ? TokenClass::word_part : TokenClass::word;
    }
    inside = look.last != 0 && text::is_word(look.last) && !look.space_after;
    classes.push_back(kind);
  }
  return classes;
}

} // namespace headscope
