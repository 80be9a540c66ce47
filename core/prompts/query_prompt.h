// SPDX-License-Identifier: GPL-3.0-or-later
// Paragraphs, one of which answers a query, as princeton-pli/QRHead writes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/prompts/haystack.h"
#include "core/text/token_offsets.h"
#include "core/vocabulary/named.h"

namespace headscope {

struct Paragraphs {
  std::vector<std::string> texts;
  std::size_t gold = 0; // the one that answers the query
  std::string query;
};

// Cuts `count` consecutive pieces of `words` words from the text; each needle is put into the middle of one piece,
// evenly spread, the asked one first. `place` shifts them. Returns invalid_argument when the text is too short.
Result<Paragraphs> make_paragraphs(const std::string& text, const std::vector<Needle>& needles, std::size_t asked,
                                   std::size_t count, std::size_t words, std::size_t place);

struct QueryPrompt {
  std::string text;
  std::vector<std::int64_t> ids;
  std::vector<TokenRange> documents; // with their number "[1] "
  TokenRange rows;                   // of the query: what is averaged over
};

enum class QueryRows : std::uint8_t {
  prompt, // from the instruction before the query to the end of the prompt, as in the authors' code
  query,  // the query's own tokens
};
template <> std::span<const Named<QueryRows>> names_of<QueryRows>();

Result<QueryPrompt> make_query_prompt(const Tokenizer& tokenizer, const Paragraphs& paragraphs,
                                      const std::string& query, bool chat, QueryRows rows);

} // namespace headscope
