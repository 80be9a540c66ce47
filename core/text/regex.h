// SPDX-License-Identifier: GPL-3.0-or-later
// Runs regular expressions of tokenizer files, which are written for Oniguruma, with PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace headscope::text {

// The bytes [begin, end) of a text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// A compiled pattern; matching is safe from several threads.
class Regex {
public:
  // Errors: corrupt for a pattern that does not compile, unsupported for Oniguruma syntax without a PCRE2 equal.
  static Result<Regex> compile(std::string_view pattern);
  static std::string escape(std::string_view literal);

  // Appends the matches in valid UTF-8, first to last; they do not overlap, and some may be empty.
  Status find_all(std::string_view utf8, std::vector<Span>& matches) const;

private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

} // namespace headscope::text
