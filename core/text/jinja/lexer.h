// SPDX-License-Identifier: GPL-3.0-or-later
// Cuts a chat template into text, tags and the words inside the tags. Private to core/text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/text/jinja/tree.h"

namespace headscope::text::jinja {

enum class TokenKind {
  text,
  begin_output,
  end_output,
  begin_statement,
  end_statement,
  name,
  string,
  number,
  symbol,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;
};

// White space at tags, "-" and "+" at their ends, trim_blocks and lstrip_blocks are handled here, so texts are returned
// as they must be printed. The last token is of kind `end`. Throws Failure.
std::vector<Token> tokens_of(std::string_view source);

[[noreturn]] void fail(ErrorCode code, const std::string& message, int line); // Failure that names the line

} // namespace headscope::text::jinja
