// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/text_units.h"

#include <algorithm>

namespace headscope::gui {
namespace {

UnitLevel smaller(UnitLevel level) { return static_cast<UnitLevel>(static_cast<int>(level) - 1); }

} // namespace

std::vector<UnitLevel> unit_begins(const std::vector<TokenInfo>& tokens, bool first_apart) {
  std::vector<UnitToken> plain;
  for (const TokenInfo& token : tokens)
    plain.push_back({token.text, token.special});
  return headscope::unit_begins(plain, first_apart);
}

std::vector<std::int64_t> UnitList::begins() const {
  std::vector<std::int64_t> begins;
  for (const Unit& unit : units_)
    begins.push_back(unit.begin);
  return begins;
}

std::vector<Unit> UnitList::split(Unit whole, UnitLevel level) const {
  std::vector<Unit> parts;
  for (std::int64_t i = whole.begin; i < whole.end; ++i)
    if (i == whole.begin || begins_[static_cast<std::size_t>(i)] >= level) {
      if (!parts.empty()) parts.back().end = i;
      parts.push_back({i, whole.end, level});
    }
  return parts;
}

void UnitList::show(UnitLevel level) {
  units_ = split({0, static_cast<std::int64_t>(begins_.size()), UnitLevel::section}, level);
}

std::size_t UnitList::count(UnitLevel level) const {
  return static_cast<std::size_t>(
      std::count_if(begins_.begin(), begins_.end(), [level](UnitLevel l) { return l >= level; }));
}

std::vector<Unit> UnitList::children(std::size_t index) const {
  const Unit unit = units_[index];
  for (UnitLevel level = unit.level; level != UnitLevel::token;) {
    level = smaller(level);
    std::vector<Unit> parts = split(unit, level);
    if (parts.size() > 1) return parts;
  }
  return {unit};
}

bool UnitList::expand(std::size_t index) {
  const std::vector<Unit> parts = children(index);
  if (parts.size() < 2) return false;
  const auto place = units_.erase(units_.begin() + static_cast<std::ptrdiff_t>(index));
  units_.insert(place, parts.begin(), parts.end());
  return true;
}

bool UnitList::collapse(std::size_t index) {
  const Unit unit = units_[index];
  for (int level = static_cast<int>(unit.level) + 1; level <= static_cast<int>(UnitLevel::section); ++level) {
    const auto wanted = static_cast<UnitLevel>(level);
    Unit parent{unit.begin, unit.end, wanted};
    while (begins_[static_cast<std::size_t>(parent.begin)] < wanted)
      --parent.begin;
    while (parent.end < static_cast<std::int64_t>(begins_.size()) &&
           begins_[static_cast<std::size_t>(parent.end)] < wanted)
      ++parent.end;
    if (parent.begin == unit.begin && parent.end == unit.end) continue;
    std::erase_if(units_, [&](const Unit& u) { return u.begin >= parent.begin && u.end <= parent.end; });
    const auto place =
        std::find_if(units_.begin(), units_.end(), [&](const Unit& u) { return u.begin > parent.begin; });
    units_.insert(place, parent);
    return true;
  }
  return false;
}

std::size_t UnitList::index_of(std::int64_t token) const {
  const auto after =
      std::upper_bound(units_.begin(), units_.end(), token, [](std::int64_t t, const Unit& u) { return t < u.begin; });
  return after == units_.begin() ? 0 : static_cast<std::size_t>(after - units_.begin() - 1);
}

} // namespace headscope::gui
