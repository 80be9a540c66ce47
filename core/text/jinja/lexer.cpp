// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>

#include "core/text/unicode.h"

namespace headscope::text::jinja {

void fail(ErrorCode code, const std::string& message, int line) {
  throw Failure{code, std::string("line ").append(std::to_string(line)).append(": ").append(message)};
}

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class Lexer {
public:
  explicit Lexer(std::string_view source) {
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        source_.push_back('\n');
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_.push_back(source[i]);
      }
    }
    if (source_.ends_with('\n')) source_.pop_back(); // keep_trailing_newline is off
  }

  std::vector<Token> run() {
    while (at_ < source_.size())
      data();
    tokens_.push_back({TokenKind::end, "", line()});
    return std::move(tokens_);
  }

private:
  int line() {
    for (; counted_ < at_ && counted_ < source_.size(); ++counted_)
      line_ += source_[counted_] == '\n';
    return line_;
  }

  // Reads text up to the next tag, then the tag.
  void data() {
    std::size_t open = at_;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 >= source_.size()) {
        put_text(source_.substr(at_));
        at_ = source_.size();
        return;
      }
      const char c = source_[open + 1];
      if (c == '{' || c == '%' || c == '#') break;
    }
    const char type = source_[open + 1];
    std::string text = source_.substr(at_, open - at_);
    const char sign = open + 2 < source_.size() ? source_[open + 2] : ' ';
    if (sign == '-') {
      while (!text.empty() && is_space(text.back()))
        text.pop_back();
    } else if (sign != '+' && type != '{') {
      strip_line_start(text);
    }
    put_text(text);
    at_ = open + 2;
    if (sign == '-' || (sign == '+' && type != '{')) ++at_;
    if (type == '#') return comment();
    if (type == '%' && raw()) return;
    tokens_.push_back({type == '{' ? TokenKind::begin_output : TokenKind::begin_statement, "", line()});
    inside(type);
  }

  void put_text(const std::string& text) {
    if (!text.empty()) tokens_.push_back({TokenKind::text, text, line()});
  }

  // Applies lstrip_blocks: removes blanks between the start of the line and a statement.
  void strip_line_start(std::string& text) const {
    const std::size_t start = text.rfind('\n') + 1; // 0 when there is none
    if (start == 0 && !line_start_) return;
    if (std::all_of(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(), is_space)) text.resize(start);
  }

  // Applies trim_blocks, "-%}" and "+%}"; at_ is just after the tag.
  void after_tag(char sign, bool trims) {
    const std::size_t end = at_;
    if (sign == '-') {
      while (at_ < source_.size() && is_space(source_[at_]))
        ++at_;
    } else if (trims && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    line_start_ = at_ > end && source_[at_ - 1] == '\n';
  }

  void comment() {
    const std::size_t close = source_.find("#}", at_);
    if (close == std::string::npos) fail(ErrorCode::corrupt, "'{#' without '#}'", line());
    const char sign = close > at_ ? source_[close - 1] : ' ';
    at_ = close + 2;
    after_tag(sign, true);
  }

  // Reads "raw %} ... {% endraw %}" as plain text; at_ is just after the opening "{%". Returns false for another
  // statement.
  bool raw() {
    std::size_t at = at_;
    const auto blanks = [&](std::size_t from) {
      while (from < source_.size() && is_space(source_[from]))
        ++from;
      return from;
    };
    at = blanks(at);
    if (source_.compare(at, 3, "raw") != 0) return false;
    at = blanks(at + 3);
    const bool strips = at < source_.size() && source_[at] == '-';
    if (source_.compare(at + (strips ? 1 : 0), 2, "%}") != 0) return false;
    const int where = line();
    at += strips ? 3 : 2;
    const std::size_t begin = strips ? blanks(at) : at;
    for (std::size_t open = source_.find("{%", begin); open != std::string::npos; open = source_.find("{%", open + 1)) {
      std::size_t inside = open + 2;
      const char sign = inside < source_.size() ? source_[inside] : ' ';
      if (sign == '-' || sign == '+') ++inside;
      inside = blanks(inside);
      if (source_.compare(inside, 6, "endraw") != 0) continue;
      inside = blanks(inside + 6);
      const char end = inside < source_.size() ? source_[inside] : ' ';
      if (end == '-' || end == '+') ++inside;
      if (source_.compare(inside, 2, "%}") != 0) continue;
      std::string text = source_.substr(begin, open - begin);
      line_start_ = false;
      if (sign == '-')
        while (!text.empty() && is_space(text.back()))
          text.pop_back();
      else if (sign != '+')
        strip_line_start(text);
      put_text(text);
      at_ = inside + 2;
      after_tag(end, true);
      return true;
    }
    fail(ErrorCode::corrupt, "'raw' without 'endraw'", where);
  }

  void inside(char type) {
    const std::string close = type == '{' ? "}}" : "%}";
    const TokenKind end = type == '{' ? TokenKind::end_output : TokenKind::end_statement;
    int depth = 0; // of brackets, so that {{ {'a': {}} }} works
    while (true) {
      while (at_ < source_.size() && is_space(source_[at_]))
        ++at_;
      if (at_ >= source_.size()) fail(ErrorCode::corrupt, "a tag is not closed", line());
      const char c = source_[at_];
      const bool sign = (c == '-' || c == '+') && source_.compare(at_ + 1, 2, close) == 0;
      if (sign || (depth == 0 && source_.compare(at_, 2, close) == 0)) {
        tokens_.push_back({end, "", line()});
        at_ += sign ? 3 : 2;
        after_tag(sign ? c : ' ', type == '%');
        return;
      }
      if (c == '{' || c == '(' || c == '[') ++depth;
      if ((c == '}' || c == ')' || c == ']') && --depth < 0) {
        fail(ErrorCode::corrupt, std::string("unexpected '").append(1, c).append("'"), line());
      }
      expression_token(c);
    }
  }

  void expression_token(char c) {
    if (c == '"' || c == '\'') return string(c);
    const std::size_t begin = at_;
    const int where = line();
    if (is_name(c)) {
      const bool number = std::isdigit(static_cast<unsigned char>(c));
      const auto digit_at = [&](std::size_t at) {
        return at < source_.size() && std::isdigit(static_cast<unsigned char>(source_[at]));
      };
      bool exponent = false;
      while (at_ < source_.size()) {
        const char now = source_[at_];
        const bool sign = number && exponent && (now == '-' || now == '+') && digit_at(at_ + 1);
        if (!is_name(now) && !sign && !(number && now == '.' && digit_at(at_ + 1))) break;
        exponent = now == 'e' || now == 'E';
        ++at_;
      }
      tokens_.push_back({number ? TokenKind::number : TokenKind::name, source_.substr(begin, at_ - begin), where});
      return;
    }
    static constexpr std::array<std::string_view, 6> pairs = {"==", "!=", "<=", ">=", "//", "**"};
    const std::string two = source_.substr(at_, 2);
    const bool pair = std::find(pairs.begin(), pairs.end(), two) != pairs.end();
    if (!pair && std::string_view("+-*/%~<>=()[]{},.:|").find(c) == std::string_view::npos) {
      fail(ErrorCode::corrupt, std::string("unexpected '") + c + "'", where);
    }
    tokens_.push_back({TokenKind::symbol, pair ? two : std::string(1, c), where});
    at_ += pair ? 2 : 1;
  }

  void string(char quote) {
    const int where = line();
    std::string out;
    for (++at_; at_ < source_.size() && source_[at_] != quote; ++at_) {
      if (source_[at_] == '\\' && at_ + 1 < source_.size())
        escape(out, where);
      else
        out.push_back(source_[at_]);
    }
    if (at_ >= source_.size()) fail(ErrorCode::corrupt, "a string is not closed", where);
    ++at_;
    tokens_.push_back({TokenKind::string, out, where});
  }

  // Reads one of Python's escapes; at_ moves from the backslash to its last character.
  void escape(std::string& out, int where) {
    static constexpr std::string_view letters = "abfnrtv\\'\"";
    static constexpr std::string_view values = "\a\b\f\n\r\t\v\\'\"";
    const char c = source_[++at_];
    if (const std::size_t found = letters.find(c); found != std::string_view::npos) {
      out.push_back(values[found]);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      code_point(c == 'x' ? 2 : c == 'u' ? 4 : 8, out, where);
    } else if (c >= '0' && c <= '7') {
      std::uint32_t value = 0;
      std::size_t count = 0;
      for (; count < 3 && at_ + count < source_.size() && source_[at_ + count] >= '0' && source_[at_ + count] <= '7';
           ++count)
        value = value * 8 + static_cast<std::uint32_t>(source_[at_ + count] - '0');
      append_utf8(value, out);
      at_ += count - 1;
    } else if (c == 'N') {
      fail(ErrorCode::unsupported, std::string("the string escape \\") + c + " is not supported", where);
    } else if (c != '\n') { // a backslash at the end of a line joins it to the next
      (out += '\\') += c;
    }
  }

  void code_point(std::size_t digits, std::string& out, int where) {
    const std::string hex = source_.substr(at_ + 1, digits);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    const bool whole = hex.size() == digits && end == hex.data() + hex.size() && error == std::errc();
    if (!whole || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      fail(ErrorCode::corrupt, "a string escape names no character", where);
    }
    append_utf8(value, out);
    at_ += digits;
  }

  std::string source_;
  std::size_t at_ = 0;
  std::size_t counted_ = 0; // line_ is the line of this place
  int line_ = 1;
  bool line_start_ = true;
  std::vector<Token> tokens_;
};

} // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

} // namespace headscope::text::jinja
