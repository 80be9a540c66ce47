// SPDX-License-Identifier: GPL-3.0-or-later
// Which units of a text that is given as tokens are shown.
#pragma once

#include <cstdint>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/text/text_units.h"

namespace headscope::gui {

// Of the window's tokens; core/text/text_units.h says what begins where.
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
