// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/answers.h"

#include <algorithm>
#include <span>
#include <string>

namespace headscope {
namespace {

std::string quoted_pieces(const Tokenizer& tokenizer, std::span<const std::int64_t> ids) {
  std::string out;
  for (const std::int64_t id : ids) {
    if (!out.empty()) out += ", ";
    out.append("\"").append(tokenizer.text(id)).append("\"");
  }
  return out;
}

} // namespace

Result<std::int64_t> answer_token(const Tokenizer& tokenizer, std::string_view text) {
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "is empty", {}, "answer");
  const TokenizeOptions plain{.add_special = false, .parse_special = true};
  // The answer is tokenized after other text, because some tokenizers put a space of their own before the first word.
  for (const std::string before : {"The", ":"}) {
    HS_ASSIGN(const auto start, tokenizer.encode(before, plain));
    HS_ASSIGN(const auto both, tokenizer.encode(before + std::string(text), plain));
    if (both.size() == start.size() + 1 && std::equal(start.begin(), start.end(), both.begin())) return both.back();
  }
  HS_ASSIGN(const auto alone, tokenizer.encode(text, plain));
  if (alone.size() == 1) return alone.front();
  return make_error(ErrorCode::mismatch,
                    std::string(text) + " is " + std::to_string(alone.size()) + " tokens (" +
                        quoted_pieces(tokenizer, alone) +
                        "), not one; choose an answer of one token, with its leading space where it has one",
                    {}, "answer");
}

} // namespace headscope
