// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/plain_text.h"

#include <cstdint>
#include <cstdio>

namespace headscope {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t length = 1;
  bool valid = false;
};

// The character at the beginning of a text that is not empty.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || length > text.size()) return {lead, 1, false};
  std::uint32_t code = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {lead, 1, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  const std::uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {lead, 1, false};
  return {code, length, true};
}

// Whether a code point is a line or paragraph separator, or changes or isolates the writing direction (UAX #9).
bool moves_text(std::uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string escaped(const char* form, std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

} // namespace

std::string plain_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character next = first_character(text.substr(at));
    if (!next.valid || next.code < 0x20 || next.code == 0x7f) {
      const auto byte = static_cast<unsigned char>(text[at]);
      out += escaped("\\x%02x", byte);
    } else if ((next.code >= 0x80 && next.code <= 0x9f) || moves_text(next.code)) {
      out += escaped("\\u%04x", next.code);
    } else {
      out.append(text, at, next.length);
    }
    at += next.length;
  }
  return out;
}

std::string file_name_text(std::string_view text, std::size_t most) {
  std::string out = plain_text(text);
  for (char& c : out)
    if (c == '/' || c == '\\') c = '_';
  if (out.size() > most) {
    out.resize(most);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80)
      out.pop_back(); // the rest of a character
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
  }
  if (out.empty() || out.front() == '.' || out.front() == '-') out.insert(out.begin(), '_');
  return out;
}

} // namespace headscope
