// SPDX-License-Identifier: GPL-3.0-or-later
// Added tokens: texts that become one id before any other step.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text/byte_trie.h"
#include "core/text/regex.h"

namespace headscope::text {

struct AddedToken {
  std::int64_t id = -1;
  std::string content;
  std::string piece; // the content, normalized where matching is on normalized text; set by index()
  bool special = false;
  bool normalized = false;  // matched in the normalized text
  bool single_word = false; // only where no word character touches it
  bool lstrip = false;      // also consumes the white space before it
  bool rstrip = false;      // also consumes the white space after it
};

class AddedTokens {
public:
  // Adds a token or, if its content is there already, replaces its options. Empty contents are ignored.
  void add(const AddedToken& token);

  // Must be called once after the last add(). `normalize` gives the normalized text of the contents to look for.
  template <typename Normalize> void index(Normalize normalize) {
    for (auto& [id, token] : by_id_) {
      ByteTrie& trie = token.normalized ? normalized_ : plain_;
      token.piece = token.normalized ? normalize(token.content) : token.content;
      if (!token.piece.empty()) trie.insert(token.piece, static_cast<std::int32_t>(id));
    }
  }

  const AddedToken* find(std::int64_t id) const;
  const AddedToken* find(std::string_view content) const;
  std::int64_t limit() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; } // largest id + 1
  bool empty() const { return by_id_.empty(); }

  struct Part {
    Span span;
    std::int64_t id = -1; // -1: text that is not an added token
  };
  // Cuts a text at the longest tokens found from the left; `normalized` says which of the two kinds to look for.
  std::vector<Part> split(std::string_view text, bool normalized, bool parse_special) const;

private:
  bool stands_alone(std::string_view text, Span match) const;

  std::map<std::int64_t, AddedToken> by_id_;
  std::unordered_map<std::string, std::int64_t> ids_;
  ByteTrie plain_;
  ByteTrie normalized_;
};

} // namespace headscope::text
