// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/added_tokens.h"

#include <algorithm>

#include "core/text/unicode.h"

namespace headscope::text {

void AddedTokens::add(const AddedToken& token) {
  if (token.content.empty()) return;
  ids_[token.content] = token.id;
  by_id_[token.id] = token;
}

const AddedToken* AddedTokens::find(std::int64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? nullptr : find(found->second);
}

bool AddedTokens::stands_alone(std::string_view text, Span match) const {
  const bool left = match.begin == 0 || !is_word(last_code_point(text.substr(0, match.begin)).value);
  const bool right = match.end == text.size() || !is_word(first_code_point(text.substr(match.end)).value);
  return left && right;
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, bool normalized, bool parse_special) const {
  const ByteTrie& trie = normalized ? normalized_ : plain_;
  std::vector<Part> parts;
  std::size_t done = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    std::int32_t id = ByteTrie::none;
    std::size_t stop = at;
    std::int32_t node = trie.root();
    for (std::size_t end = at; end < text.size();) {
      node = trie.next(node, text[end++]);
      if (node == ByteTrie::none) break;
      if (trie.value(node) == ByteTrie::none) continue;
      id = trie.value(node);
      stop = end;
    }
    if (id == ByteTrie::none) {
      ++at;
      continue;
    }
    std::size_t start = at;
    at = stop; // matches do not overlap, whether they count or not
    const AddedToken& token = *find(std::int64_t{id});
    if (token.special && !parse_special) continue;
    if (token.single_word && !stands_alone(text, {start, stop})) continue;
    while (token.lstrip && start > done && is_whitespace(last_code_point(text.substr(0, start)).value)) {
      start -= last_code_point(text.substr(0, start)).length;
    }
    while (token.rstrip && stop < text.size() && is_whitespace(first_code_point(text.substr(stop)).value)) {
      stop += first_code_point(text.substr(stop)).length;
    }
    start = std::max(start, done);
    if (start > done) parts.push_back({{done, start}, -1});
    parts.push_back({{start, stop}, id});
    done = stop;
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, -1});
  return parts;
}

} // namespace headscope::text
