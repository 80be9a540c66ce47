// SPDX-License-Identifier: GPL-3.0-or-later
// Finds words, sentences, paragraphs and sections of a text that is given as tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headscope {

struct UnitToken {
  std::string text;     // the bytes it stands for; may be a fragment of a UTF-8 character
  bool special = false; // e.g. BOS
};

enum class UnitLevel : std::uint8_t { token, word, sentence, paragraph, section };

// The largest unit that begins at each token; the first token begins a section.
// Words end at white space, sentences at . ? ! … (and closing quotes) before white space and at 。！？ anywhere,
// paragraphs at a blank line, sections at two blank lines and before a Markdown heading. White space belongs to what
// follows it, line ends to what they end; a token across a border belongs to the unit it begins in. Special tokens are
// words of their own, and the one that begins a prompt is a section. With `first_apart` the first token is always a
// section: it draws attention by its position, which would hide what its neighbours draw.
std::vector<UnitLevel> unit_begins(const std::vector<UnitToken>& tokens, bool first_apart);

} // namespace headscope
