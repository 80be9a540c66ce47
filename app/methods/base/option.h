// SPDX-License-Identifier: GPL-3.0-or-later
// An option of a method, defined once: its name, type, unit, default, bounds, choices and help, bound to the variable
// that holds it. The command line's flags, the keys of experiments, the window's forms, what a result records and the
// tables in docs/methods are made from these lists. This header uses neither Torch, Qt, CLI11 nor TOML.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::methods {

struct Choice {
  std::string name;
  std::string what; // one sentence, or empty
};
// The names of all choices: "zero, mean, resample or uniform".
std::string choice_names(const std::vector<Choice>& choices);

// One of a list of names, seen as a text from outside.
struct ChoiceTarget {
  std::function<std::string()> get;
  std::function<Status(const std::string&)> set; // invalid_argument for another name
};

// The variable behind an option.
using OptionTarget =
    std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*, std::optional<std::int64_t>*,
                 std::vector<std::string>*, std::vector<std::int64_t>*, std::vector<double>*, ChoiceTarget>;

// How an option affects the prompts beside it: a face that fills in a prompt for the user must set these too.
enum class OfPrompts : std::uint8_t { nothing, chat, no_bos };

// Which faces offer an option. The list gives the reason where one of them does not.
enum class Offered : std::uint8_t { everywhere, command_line, experiment };

class Option {
public:
  Option(std::string name, OptionTarget target, std::string help);

  std::string name; // "mean_by_position"; the flag is --mean-by-position, the key of the result is the name
  OptionTarget target;
  std::string help;
  std::string unit;                    // "token", "nat", ...; empty: none
  std::string since = "0.1";           // version that brought it
  std::string default_text;            // as a reader writes it; "" where the help says what the default is
  std::optional<double> least, most;   // of a number
  std::vector<Choice> choices;         // of a ChoiceTarget
  std::vector<std::string> more_flags; // "-p", "--ioi-seed"
  std::string toml_key;                // empty: the name
  std::string excludes;                // name of an option that may not be given with this one
  Offered offered = Offered::everywhere;
  std::string only_because; // why it is not offered everywhere
  bool comma = false;       // a list in one word: 1,2,5
  bool file = false;        // names a file that is read
  bool to_file = false;     // names a file that is written
  std::string file_kinds;   // of such a file: "*.npy", or empty
  bool is_prose = false;    // a text as people write it, which may have several lines: a prompt
  OfPrompts of_prompts = OfPrompts::nothing;
  bool positional = false; // a word without a flag, shown by its name; these come in the list's order
  bool required = false, recorded = true;

  Option& in(std::string units);
  Option& from(std::string version);
  Option& at_least(double value);
  Option& between(double low, double high);
  Option& flags(std::vector<std::string> others);
  Option& key(std::string toml);
  Option& excluding(std::string other);
  Option& only(Offered face, std::string because);
  Option& by_comma();
  Option& must();
  Option& reads_file();
  Option& writes_file(std::string kinds = {});
  Option& prose();
  Option& says(OfPrompts what);
  Option& unrecorded();
  Option& without_flag();

  std::string flag() const; // "--mean-by-position"; of a positional option its name
  const std::string& key() const { return toml_key.empty() ? name : toml_key; }
  const char* type() const; // "flag", "integer", "number", "text", "choice", "texts", "integers", "numbers"
  // Returns invalid_argument, at the flag, for a number outside its bounds. NaN is outside of any.
  Status check() const;
  store::Attribute attribute() const; // what the result records
  nlohmann::json to_json() const;
};

class OptionList {
public:
  // Adds an option; the variable's current value is the default.
  template <typename T> Option& add(std::string name, T& target, std::string help) {
    return list_.emplace_back(std::move(name), OptionTarget(&target), std::move(help));
  }
  // Adds a choice among the names of an enumeration that has `names_of<E>()` (core/vocabulary/named.h).
  template <typename E> Option& add_choice(std::string name, E& target, std::string help);
  // Adds a choice among these names, kept as a text.
  Option& add_choice(std::string name, std::string& target, std::vector<Choice> choices, std::string help);
  // Adds a choice with its own way of reading.
  Option& add_choice(std::string name, ChoiceTarget target, std::vector<Choice> choices, std::string help);

  const std::deque<Option>& all() const { return list_; }
  const Option* find(const std::string& name) const;
  Option* find(const std::string& name); // for changing an option that another list has added
  Status check() const;                  // of every option
  store::Attributes attributes() const;
  nlohmann::json to_json() const;

private:
  std::deque<Option> list_; // references to its elements stay valid
};

} // namespace headscope::methods

#include "core/vocabulary/named.h"

namespace headscope::methods {

template <typename E> Option& OptionList::add_choice(std::string name, E& target, std::string help) {
  std::vector<Choice> choices;
  for (const Named<E>& each : names_of<E>())
    choices.push_back({each.name, each.what});
  const std::string field = name;
  ChoiceTarget bound{[&target] { return std::string(name_of(target)); },
                     [&target, field](const std::string& text) -> Status {
                       auto value = parse_name<E>(text, field);
                       if (!value.ok()) return value.error();
                       target = *value;
                       return {};
                     }};
  return add_choice(std::move(name), std::move(bound), std::move(choices), std::move(help));
}

} // namespace headscope::methods
