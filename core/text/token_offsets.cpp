// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/token_offsets.h"

#include <string>

namespace headscope {

Result<std::vector<TokenRange>> token_offsets(const Tokenizer& tokenizer, std::string_view text,
                                              const std::vector<std::int64_t>& ids) {
  std::vector<TokenRange> offsets;
  std::size_t at = 0;
  for (const std::int64_t id : ids) {
    const std::string spelled = tokenizer.text(id);
    std::string_view piece = spelled;
    if (at == 0 && text.substr(at, piece.size()) != piece && piece.starts_with(' ')) piece.remove_prefix(1); // dummy
    const bool here = !piece.empty() && text.substr(at, piece.size()) == piece;
    const std::size_t end = at + (here ? piece.size() : 0);
    if (!here && !tokenizer.is_special(id))
      return make_error(ErrorCode::mismatch,
                        "the token '" + spelled + "' is not what the text has at byte " + std::to_string(at), {},
                        "tokenizer");
    offsets.push_back({static_cast<std::int64_t>(at), static_cast<std::int64_t>(end)});
    at = end;
  }
  return offsets;
}

TokenRange tokens_over(const std::vector<TokenRange>& offsets, std::size_t begin, std::size_t end) {
  TokenRange out{-1, -1};
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const TokenRange& token = offsets[i];
    if (token.end <= static_cast<std::int64_t>(begin) || token.begin >= static_cast<std::int64_t>(end) ||
        token.begin == token.end)
      continue;
    if (out.begin < 0) out.begin = static_cast<std::int64_t>(i);
    out.end = static_cast<std::int64_t>(i) + 1;
  }
  return out.begin < 0 ? TokenRange{} : out;
}

} // namespace headscope
