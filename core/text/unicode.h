// SPDX-License-Identifier: GPL-3.0-or-later
// UTF-8 and the few character classes that tokenizers need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headscope::text {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0; // bytes, at least 1
};

// The first character of valid, non-empty UTF-8.
CodePoint first_code_point(std::string_view utf8);
// The last character of valid, non-empty UTF-8.
CodePoint last_code_point(std::string_view utf8);
void append_utf8(char32_t code_point, std::string& out);

// The text itself when it is valid UTF-8; otherwise a copy in `storage` where each maximal invalid part is
// U+FFFD, as Python's decode("utf-8", errors="replace") does.
std::string_view valid_utf8(std::string_view bytes, std::string& storage);

bool is_ascii(std::string_view text);
bool is_whitespace(char32_t c);  // White_Space
bool is_numeric(char32_t c);     // general category N
bool is_punctuation(char32_t c); // general category P, or ASCII punctuation
bool is_word(char32_t c);        // \w of UTS 18: alphabetic, marks, decimal digits, connectors, joiners
bool is_mark(char32_t c);        // general category M
char32_t to_lower(char32_t c);

// Maps bytes to the printable characters of byte-level vocabularies and back.
char32_t byte_to_char(unsigned char byte);
int char_to_byte(char32_t c); // -1: not in the byte alphabet

} // namespace headscope::text
