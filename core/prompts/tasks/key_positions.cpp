// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/key_positions.h"

#include <algorithm>
#include <set>

#include "core/text/token_offsets.h"

namespace headscope {
namespace {

std::vector<std::int64_t> positions_of(const std::vector<std::int64_t>& tokens, const std::vector<std::int64_t>& ids) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (std::find(ids.begin(), ids.end(), tokens[i]) != ids.end()) out.push_back(static_cast<std::int64_t>(i));
  return out;
}

} // namespace

Result<std::vector<std::int64_t>> key_positions(const Tokenizer& tokenizer, const TaskCase& item,
                                                std::string_view name) {
  const std::vector<std::int64_t>& tokens = item.tokens.clean;
  std::set<std::int64_t> found;
  std::vector<TokenRange> offsets;
  std::string known;
  for (const TaskSpan& span : item.example.spans) {
    if (known.find(span.name) == std::string::npos) known += span.name + ", ";
    if (span.name != name) continue;
    if (offsets.empty()) {
      HS_ASSIGN(offsets, token_offsets(tokenizer, item.example.clean, tokens));
    }
    const TokenRange range = tokens_over(offsets, span.begin, span.end);
    for (std::int64_t at = range.begin; at < range.end; ++at)
      found.insert(at);
  }
  if (!found.empty()) return std::vector<std::int64_t>(found.begin(), found.end());
  if (name == "answer") return positions_of(tokens, item.tokens.answers.answer);
  if (name == "wrong") return positions_of(tokens, item.tokens.answers.wrong);
  if (name == "first") return std::vector<std::int64_t>{0};
  if (name == "last") return std::vector<std::int64_t>{static_cast<std::int64_t>(tokens.size()) - 1};
  return make_error(ErrorCode::not_found,
                    "the task has no tokens '" + std::string(name) + "'; there are " + known +
                        "answer, wrong, first, last",
                    {}, "steer");
}

} // namespace headscope
