// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace headscope::text {

namespace {

// The length of the valid sequence at the start, or 0 with `invalid` set to the length of the maximal invalid part.
std::size_t sequence_length(std::string_view bytes, std::size_t& invalid) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  invalid = 1;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t need = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F; // surrogates
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (std::size_t i = 1; i < need; ++i) {
    if (i >= bytes.size() || at(i) < low || at(i) > high) {
      invalid = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return need;
}

bool in_category(char32_t c, int first, int last) {
  const int category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= first && category <= last;
}

} // namespace

CodePoint first_code_point(std::string_view utf8) {
  const auto at = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(utf8[i])); };
  const char32_t lead = at(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 0x1F) << 6) | (at(1) & 0x3F), 2};
  if (lead < 0xF0) return {((lead & 0x0F) << 12) | ((at(1) & 0x3F) << 6) | (at(2) & 0x3F), 3};
  return {((lead & 0x07) << 18) | ((at(1) & 0x3F) << 12) | ((at(2) & 0x3F) << 6) | (at(3) & 0x3F), 4};
}

CodePoint last_code_point(std::string_view utf8) {
  std::size_t begin = utf8.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(utf8[begin]) & 0xC0) == 0x80)
    --begin;
  return first_code_point(utf8.substr(begin));
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

std::string_view valid_utf8(std::string_view bytes, std::string& storage) {
  std::size_t invalid = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t length = sequence_length(bytes.substr(at), invalid);
    if (length == 0) break;
    at += length;
  }
  if (at == bytes.size()) return bytes;
  storage.assign(bytes.substr(0, at));
  while (at < bytes.size()) {
    const std::size_t length = sequence_length(bytes.substr(at), invalid);
    if (length == 0) {
      storage += "\xEF\xBF\xBD";
      at += invalid;
    } else {
      storage += bytes.substr(at, length);
      at += length;
    }
  }
  return storage;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_whitespace(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) { return in_category(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }

bool is_punctuation(char32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return in_category(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_word(char32_t c) {
  // The joiners, and letters in circles and squares, are alphabetic though symbols by category.
  if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
      (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) {
    return true;
  }
  return in_category(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_ND) ||
         in_category(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PC) ||
         in_category(c, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NL);
}

bool is_mark(char32_t c) { return in_category(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }

char32_t to_lower(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

namespace {
// Bytes that print as themselves; the others take the code points from U+0100 on, in order.
constexpr bool prints(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}
struct ByteAlphabet {
  char32_t to_char[256] = {};
  int to_byte[512] = {};
  constexpr ByteAlphabet() {
    for (int& value : to_byte)
      value = -1;
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      to_char[byte] = prints(byte) ? static_cast<char32_t>(byte) : next++;
      to_byte[to_char[byte]] = byte;
    }
  }
};
constexpr ByteAlphabet byte_alphabet;
} // namespace

char32_t byte_to_char(unsigned char byte) { return byte_alphabet.to_char[byte]; }
int char_to_byte(char32_t c) { return c < 512 ? byte_alphabet.to_byte[c] : -1; }

} // namespace headscope::text
