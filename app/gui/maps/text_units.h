// SPDX-License-Identifier: GPL-3.0-or-later
// Words, sentences, paragraphs and sections of a text that is given as tokens, and which of them are shown.
#pragma once

#include <cstdint>
#include <vector>

#include "app/gui/engine/values.h"

namespace headscope::gui {

enum class UnitLevel : std::uint8_t { token, word, sentence, paragraph, section };

// The largest unit that begins at each token; the first token begins a section.
// Words end at white space, sentences at . ? ! … (and closing quotes) before white space and at 。！？ anywhere,
// paragraphs at a blank line, sections at two blank lines and before a Markdown heading. White space goes with what
// follows it, line ends with what they end; a token across a border goes with what it begins in. Special tokens are
// words of their own, and the one that begins a prompt is a section; with `first_apart` the first token is one whatever
// it is: it draws attention for where it stands, which would hide what its neighbours draw.
std::vector<UnitLevel> unit_begins(const std::vector<TokenInfo>& tokens, bool first_apart);

struct Unit {
  std::int64_t begin = 0, end = 0; // tokens
  UnitLevel level = UnitLevel::section;
  friend bool operator==(const Unit&, const Unit&) = default;
};

// A text as units that follow one another without a gap; each can be opened into the units it is made of.
class UnitList {
public:
  UnitList() = default;
  explicit UnitList(std::vector<UnitLevel> begins) : begins_(std::move(begins)) { show(UnitLevel::section); }

  const std::vector<Unit>& units() const { return units_; }
  std::vector<std::int64_t> begins() const;
  // All units of one level.
  void show(UnitLevel level);
  std::size_t count(UnitLevel level) const; // how many that would be
  // What unit `index` is made of: those of the first smaller level that divides it. Itself alone when nothing does.
  std::vector<Unit> children(std::size_t index) const;
  bool expand(std::size_t index); // false: a single token
  // The unit that this one is a part of takes the place of all its parts. false: it is a section.
  bool collapse(std::size_t index);
  std::size_t index_of(std::int64_t token) const;

private:
  std::vector<Unit> split(Unit whole, UnitLevel level) const;

  std::vector<UnitLevel> begins_;
  std::vector<Unit> units_;
};

} // namespace headscope::gui
