// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/token_label.h"

#include <cstdio>
#include <vector>

#include <utf8proc.h>

#include "core/base/byte_text.h"

namespace headscope::figures {

namespace {

std::string encode(utf8proc_int32_t code_point) {
  utf8proc_uint8_t buffer[4];
  const auto size = utf8proc_encode_char(code_point, buffer);
  return std::string(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(size));
}

std::string code_point_name(utf8proc_int32_t code_point) {
  char text[16];
  std::snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(code_point));
  return text;
}

bool is_variation_selector(utf8proc_int32_t code_point) {
  return (code_point >= 0xFE00 && code_point <= 0xFE0F) || (code_point >= 0xE0100 && code_point <= 0xE01EF);
}

// A joiner between two characters belongs to them; alone it would be an invisible label.
bool belongs_to_neighbours(utf8proc_int32_t code_point, bool has_before, bool has_after) {
  if (is_variation_selector(code_point)) return has_before;
  return (code_point == 0x200C || code_point == 0x200D) && has_before && has_after;
}

std::string visible(utf8proc_int32_t code_point, bool has_before, bool has_after) {
  switch (code_point) {
  case ' ': return "␣";
  case '\n': return "⏎";
  case '\t': return "⇥";
  case 0x7F: return "␡";
  default: break;
  }
  if (code_point < 0x20) return encode(0x2400 + code_point);
  switch (utf8proc_category(code_point)) {
  case UTF8PROC_CATEGORY_CC: // C1 controls
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_CN:
    return belongs_to_neighbours(code_point, has_before, has_after) ? encode(code_point) : code_point_name(code_point);
  default: break;
  }
  if (is_variation_selector(code_point) && !has_before) return code_point_name(code_point);
  return encode(code_point);
}

// Splits a text into the pieces that a reader sees as one character each.
std::vector<std::string> graphemes(std::string_view bytes) {
  std::vector<std::string> result;
  utf8proc_int32_t previous = -1;
  utf8proc_int32_t state = 0;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  auto left = static_cast<utf8proc_ssize_t>(bytes.size());
  while (left > 0) {
    utf8proc_int32_t code_point = -1;
    const auto size = utf8proc_iterate(data, left, &code_point);
    if (size < 1) {
      result.push_back(byte_text(*data));
      previous = -1;
      ++data;
      --left;
      continue;
    }
    const std::string text = visible(code_point, previous >= 0, left > size);
    const bool apart = previous < 0 || utf8proc_grapheme_break_stateful(previous, code_point, &state);
    if (apart || result.empty()) {
      // A combining mark without a base gets a dotted circle.
      const auto category = utf8proc_category(code_point);
      const bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
      const bool bare = mark && !is_variation_selector(code_point);
      result.push_back(bare ? "\u25CC" + text : text);
    } else {
      result.back() += text;
    }
    previous = code_point;
    data += size;
    left -= size;
  }
  return result;
}

} // namespace

std::string token_label(std::string_view bytes, std::size_t max_length) {
  std::vector<std::string> parts = graphemes(bytes);
  if (max_length > 0 && parts.size() > max_length) {
    const std::size_t tail = (max_length - 1) / 2;
    const std::size_t head = max_length - 1 - tail;
    const auto begin = parts.begin();
    parts.erase(begin + static_cast<std::ptrdiff_t>(head), parts.end() - static_cast<std::ptrdiff_t>(tail));
    parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(head), "…");
  }
  std::string label;
  for (const std::string& part : parts)
    label += part;
  return label;
}

} // namespace headscope::figures
