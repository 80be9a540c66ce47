// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/text_units.h"

#include <algorithm>
#include <string_view>

#include <utf8proc.h>

#include "core/text/unicode.h"

namespace headscope {
namespace {

struct Character {
  char32_t value = 0;
  std::size_t byte = 0;
};

// Bytes that are not UTF-8 each count as one character.
std::vector<Character> characters_of(const std::string& text) {
  std::vector<Character> all;
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t value = 0;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &value);
    all.push_back({length > 0 ? static_cast<char32_t>(value) : U'\uFFFD', at});
    at += length > 0 ? static_cast<std::size_t>(length) : 1;
  }
  return all;
}

constexpr std::u32string_view terminators = U".?!…。！？", wide_terminators = U"。！？",
                              closers = U"\"')]}»”’*_`」』）";

bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }

class Splitter {
public:
  struct Break {
    std::size_t byte = 0;
    UnitLevel level = UnitLevel::word;
  };

  explicit Splitter(const std::string& text) : size_(text.size()), text_(characters_of(text)) {}

  std::vector<Break> breaks() {
    bool heading = is_heading(0); // the line that we are in
    for (std::size_t i = 0; i < text_.size();) {
      if (!is_space(i)) {
        wide_sentence(i++);
        continue;
      }
      std::size_t end = i;
      while (end < text_.size() && is_space(end))
        ++end;
      if (i > 0 && end < text_.size()) add_gap(i, end, heading);
      if (last_line_end(i, end) > i) heading = is_heading(end);
      i = end;
    }
    return std::move(breaks_);
  }

private:
  char32_t at(std::size_t i) const { return i < text_.size() ? text_[i].value : 0; }
  bool is_space(std::size_t i) const { return text::is_whitespace(at(i)); }
  std::size_t byte(std::size_t i) const { return i < text_.size() ? text_[i].byte : size_; }
  // Treats CR LF as one line end.
  bool ends_line(std::size_t i) const {
    const char32_t c = at(i);
    return c == U'\n' || (c == U'\r' && at(i + 1) != U'\n') || c == U'\u2028' || c == U'\u2029';
  }
  // The position after the last line end of a gap; its beginning when there is none.
  std::size_t last_line_end(std::size_t begin, std::size_t end) const {
    for (std::size_t i = end; i > begin; --i)
      if (ends_line(i - 1)) return i;
    return begin;
  }

  bool is_heading(std::size_t line) const {
    std::size_t i = line;
    while (at(i) == U'#')
      ++i;
    return i > line && i - line <= 6 && at(i) == U' ';
  }

  bool ends_sentence(std::size_t gap) const {
    while (gap > 0 && is_one_of(at(gap - 1), closers))
      --gap;
    return gap > 0 && is_one_of(at(gap - 1), terminators);
  }

  void add_gap(std::size_t begin, std::size_t end, bool heading_before) {
    std::size_t lines = 0;
    for (std::size_t i = begin; i < end; ++i)
      lines += ends_line(i) ? 1 : 0;
    UnitLevel level = ends_sentence(begin) ? UnitLevel::sentence : UnitLevel::word;
    if (lines >= 2 || (lines == 1 && heading_before)) level = UnitLevel::paragraph;
    if (lines >= 3 || (lines >= 1 && is_heading(end))) level = UnitLevel::section;
    breaks_.push_back({byte(last_line_end(begin, end)), level});
  }

  // Handles scripts that put no space after a full stop.
  void wide_sentence(std::size_t i) {
    const std::size_t next = i + 1;
    const bool goes_on = is_space(next) || is_one_of(at(next), terminators) || is_one_of(at(next), closers);
    if (next >= text_.size() || goes_on) return;
    std::size_t last = i;
    while (last > 0 && is_one_of(at(last), closers))
      --last;
    if (is_one_of(at(last), wide_terminators)) breaks_.push_back({byte(next), UnitLevel::sentence});
  }

  std::size_t size_;
  std::vector<Character> text_;
  std::vector<Break> breaks_;
};

bool all_space(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80 && text::is_whitespace(c); });
}

bool is_special(const std::vector<UnitToken>& tokens, std::size_t i) {
  if (tokens[i].special) return true;
  const std::string& text = tokens[i].text; // result files do not say which are
  return i == 0 && text.size() > 2 && text.front() == '<' && text.back() == '>';
}

} // namespace

std::vector<UnitLevel> unit_begins(const std::vector<UnitToken>& tokens, bool first_apart) {
  std::vector<UnitLevel> levels(tokens.size(), UnitLevel::token);
  if (tokens.empty()) return levels;
  std::string text;
  std::vector<std::size_t> starts;
  for (const UnitToken& token : tokens) {
    starts.push_back(text.size());
    text += token.text;
  }
  const auto raise = [&](std::size_t token, UnitLevel level) {
    if (token < levels.size()) levels[token] = std::max(levels[token], level);
  };
  for (const Splitter::Break& found : Splitter(text).breaks()) {
    auto token = static_cast<std::size_t>(std::lower_bound(starts.begin(), starts.end(), found.byte) - starts.begin());
    const bool within = token == starts.size() || starts[token] != found.byte;
    if (within && token > 0 &&
        all_space(std::string_view(text).substr(starts[token - 1], found.byte - starts[token - 1])))
      --token;
    raise(token, found.level);
  }
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (is_special(tokens, i)) {
      raise(i, UnitLevel::word);
      raise(i + 1, i == 0 ? UnitLevel::section : UnitLevel::word);
    }
  if (first_apart) raise(1, UnitLevel::section);
  levels[0] = UnitLevel::section;
  return levels;
}

} // namespace headscope
