// SPDX-License-Identifier: GPL-3.0-or-later
// Enumerations with one table of names each: `template <> std::span<const Named<E>> names_of<E>()`, from which parsing,
// printing, help and errors come.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/or_list.h"
#include "core/base/result.h"

namespace headscope {

template <typename E> struct Named {
  E value;
  const char* name;
  const char* what; // one sentence for help and documents
};

// Specialised next to each enumeration.
template <typename E> std::span<const Named<E>> names_of();

template <typename E> const char* name_of(E value) {
  for (const Named<E>& each : names_of<E>())
    if (each.value == value) return each.name;
  return "?";
}

template <typename E> std::vector<std::string> name_list() {
  std::vector<std::string> list;
  for (const Named<E>& each : names_of<E>())
    list.emplace_back(each.name);
  return list;
}

// All names as a list: "zero, mean, resample or uniform".
template <typename E> std::string all_names() { return or_list(name_list<E>()); }

// Returns invalid_argument, at `field`, with the list of names, for any other. '-' is read as '_'.
template <typename E> Result<E> parse_name(std::string_view text, const std::string& field) {
  std::string name(text);
  for (char& c : name)
    if (c == '-') c = '_';
  for (const Named<E>& each : names_of<E>())
    if (name == each.name) return each.value;
  return make_error(ErrorCode::invalid_argument, std::string(text) + " is not one of " + all_names<E>(), {}, field);
}

} // namespace headscope
