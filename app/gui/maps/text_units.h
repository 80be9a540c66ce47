// SPDX-License-Identifier: GPL-3.0-or-later
// Chooses which units of a tokenized text are shown.
#pragma once

#include <cstdint>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/text/text_units.h"

namespace headscope::gui {

// Finds units in the window's tokens; core/text/text_units.h says what begins where.
std::vector<UnitLevel> unit_begins(const std::vector<TokenInfo>& tokens, bool first_apart);

struct Unit {
  std::int64_t begin = 0, end = 0; // tokens
  UnitLevel level = UnitLevel::section;
  friend bool operator==(const Unit&, const Unit&) = default;
};

// A text as consecutive units without gaps; each can be opened into the smaller units it is made of.
class UnitList {
public:
  UnitList() = default;
  explicit UnitList(std::vector<UnitLevel> begins) : begins_(std::move(begins)) { show(UnitLevel::section); }

  const std::vector<Unit>& units() const { return units_; }
  std::vector<std::int64_t> begins() const;
  // Shows all units of one level.
  void show(UnitLevel level);
  std::size_t count(UnitLevel level) const; // how many that would be
  // The parts of unit `index`: those of the first smaller level that divides it, or itself when none does.
  std::vector<Unit> children(std::size_t index) const;
  bool expand(std::size_t index); // false: a single token
  // Replaces all parts of the enclosing unit by that unit. Returns false for a section, which has none.
  bool collapse(std::size_t index);
  std::size_t index_of(std::int64_t token) const;

private:
  std::vector<Unit> split(Unit whole, UnitLevel level) const;

  std::vector<UnitLevel> begins_;
  std::vector<Unit> units_;
};

} // namespace headscope::gui
