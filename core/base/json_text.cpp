// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/json_text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/limits.h"
#include "core/base/text_file.h"

namespace headscope {
namespace {

// Scans the text once before it is parsed: checks its depth, and turns numbers that are not finite into strings.
class Survey {
public:
  explicit Survey(std::string_view text) : text_(text) {}

  // Returns false when the text is nested too deeply; at() then says where.
  bool run() {
    for (int depth = 0; at_ < text_.size();) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      if (depth > limits::nesting) return false;
      at_ += number_size(c);
    }
    return true;
  }

  std::size_t at() const { return at_; }

  // The text to parse.
  std::string_view text() {
    if (spelled_.empty()) return text_;
    spelled_ += text_.substr(copied_);
    copied_ = text_.size();
    return spelled_;
  }

private:
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    at_ = std::min(at_ + 1, text_.size());
  }

  // Returns how many characters to advance; replaces a number that is not finite.
  std::size_t number_size(char c) {
    if (c != 'N' && c != 'I' && c != '-' && (c < '0' || c > '9')) return 1;
    for (const std::string_view name : {"NaN", "Infinity", "-Infinity"})
      if (text_.compare(at_, name.size(), name) == 0) return spell(name, name.size());
    const std::size_t end = std::min(text_.find_first_not_of("0123456789+-.eE", at_), text_.size());
    const std::string digits(text_.substr(at_, end - at_));
    if (digits.size() < 4 || (digits.find_first_of("eE") == std::string::npos && digits.size() < 300))
      return std::max<std::size_t>(digits.size(), 1);
    const double value = std::strtod(digits.c_str(), nullptr);
    return std::isfinite(value) ? digits.size() : spell(value < 0 ? "-Infinity" : "Infinity", digits.size());
  }

  std::size_t spell(std::string_view name, std::size_t size) {
    spelled_ += text_.substr(copied_, at_ - copied_);
    spelled_.append(1, '"').append(name).append(1, '"');
    copied_ = at_ + size;
    return size;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string spelled_;
  std::size_t copied_ = 0; // bytes of text_ that are in spelled_
};

Error too_deep(std::string_view text, std::size_t at, const std::string& file) {
  const auto before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return make_error(ErrorCode::corrupt,
                    "is nested more than " + std::to_string(limits::nesting) + " deep in line " + std::to_string(line),
                    file);
}

} // namespace

Result<nlohmann::json> parse_json(std::string_view text, const std::string& file) {
  Survey survey(text);
  if (!survey.run()) return too_deep(text, survey.at(), file);
  try {
    return nlohmann::json::parse(survey.text());
  } catch (const nlohmann::json::exception& error) {
    std::string what = error.what(); // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    what.erase(0, what.find("] ") == std::string::npos ? 0 : what.find("] ") + 2);
    return make_error(ErrorCode::corrupt, "is no JSON: " + what, file);
  }
}

Result<nlohmann::json> read_json_file(const std::string& path) {
  HS_ASSIGN(const std::string text, read_regular_file(path));
  return parse_json(text, path);
}

Result<nlohmann::json> read_json_object(const std::string& path) {
  HS_ASSIGN(nlohmann::json document, read_json_file(path));
  if (!document.is_object()) return make_error(ErrorCode::corrupt, "should hold a JSON object", path);
  return document;
}

} // namespace headscope
