// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/toml_text.h"

#include <cstdlib>
#include <vector>

#include "core/base/limits.h"
#include "core/io/utf8.h"

namespace headscope {
namespace {

class Scanner {
public:
  Scanner(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  Status run() {
    while (at_ < text_.size() && status_.ok())
      step(text_[at_]);
    return status_;
  }

private:
  // An open bracket, or the line. Tables begin with keys; lists have none.
  struct Frame {
    bool table = true;
    bool in_key = true;
    int dots = 0; // of the key
  };

  void fail(const std::string& message) {
    if (status_.ok())
      status_ = make_error(ErrorCode::invalid_argument, message, file_, "line " + std::to_string(line_));
  }

  void step(char c) {
    switch (c) {
    case '#': at_ = std::min(text_.find('\n', at_), text_.size()); return;
    case '"':
    case '\'': string(c); return;
    case '\n': new_line(); break;
    case '[':
    case '{': open(c == '{'); break;
    case ']':
    case '}':
      if (frames_.size() > 1) frames_.pop_back();
      break;
    case '=': frames_.back().in_key = false; break;
    case ',': next(); break;
    case '.':
      if (frames_.back().in_key && frames_.back().table) ++frames_.back().dots;
      check_depth();
      break;
    default: break;
    }
    ++at_;
  }

  void new_line() {
    ++line_;
    if (frames_.size() == 1) frames_.back() = {};
  }

  // A bracket at the beginning of a line opens a header, whose content is a key.
  void open(bool table) {
    const bool header = frames_.size() == 1 && frames_.back().in_key;
    if (header) return;
    frames_.push_back({table, table, 0});
    check_depth();
  }

  void next() {
    frames_.back().in_key = frames_.back().table;
    frames_.back().dots = 0;
  }

  void check_depth() {
    std::size_t depth = frames_.size();
    for (const Frame& frame : frames_)
      depth += static_cast<std::size_t>(frame.dots);
    if (depth > limits::nesting)
      fail("keys and brackets are nested more than " + std::to_string(limits::nesting) + " deep");
  }

  void string(char quote) {
    const bool many = text_.compare(at_, 3, std::string(3, quote)) == 0;
    at_ += many ? 3 : 1;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n' && !many) return; // the parser says that it does not end
      if (text_[at_] == '\n') ++line_;
      if (quote == '"' && text_[at_] == '\\') {
        escape();
        continue;
      }
      if (many ? text_.compare(at_, 3, std::string(3, quote)) == 0 : text_[at_] == quote) {
        at_ += many ? 3 : 1;
        return;
      }
    }
  }

  // Reads an escape and stops at its last character.
  void escape() {
    const char kind = ++at_ < text_.size() ? text_[at_] : ' ';
    if (kind == '\n') ++line_;
    if (kind != 'u' && kind != 'U') return;
    const std::string digits = text_.substr(at_ + 1, kind == 'u' ? 4 : 8);
    if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return; // the parser says so
    const unsigned long code = std::strtoul(digits.c_str(), nullptr, 16);
    if (code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF)) return;
    std::string escaped(1, '\\'); // appended, since GCC 12 warns wrongly about a literal in front
    escaped += kind;
    fail(escaped.append(digits).append(" is no character of Unicode"));
  }

  const std::string& text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  std::vector<Frame> frames_ = {Frame{}};
  Status status_;
};

} // namespace

Status check_toml_text(const std::string& text, const std::string& file) {
  if (io::readable_utf8(text) != text)
    return make_error(ErrorCode::invalid_argument, "is no UTF-8, or holds what is no character of Unicode", file);
  return Scanner(text, file).run();
}

} // namespace headscope
