// SPDX-License-Identifier: GPL-3.0-or-later
// The options of a mechanism: whole numbers, numbers, choices and texts, as a spec like "hip:k=512,window=128" gives
// them.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.h"

namespace headscope::mechanisms {

// Of a choice: its index, a whole number.
using OptionValue = std::variant<std::int64_t, double, std::string>;

enum class OptionKind : std::uint8_t { whole, number, choice, text };

struct MechanismOption {
  const char* name;
  OptionValue value; // the default, which also says what kind of option it is
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  const char* help = "";
  std::vector<const char*> choices = {}; // not empty: a choice
  bool is_file = false;                  // a text that names a file, which the mechanism reads when it is made

  OptionKind kind() const {
    if (!choices.empty()) return OptionKind::choice;
    if (std::holds_alternative<std::string>(value)) return OptionKind::text;
    return std::holds_alternative<double>(value) ? OptionKind::number : OptionKind::whole;
  }
};

// A number in as few characters as give it back, e.g. 0.25, 4096, 1e+30.
std::string number_text(double value);
// The default as a spec gives it: of a choice its name.
std::string default_text(const MechanismOption& option);

// The values of all options of a mechanism by name.
class OptionValues {
public:
  std::int64_t at(const std::string& name) const { return std::get<std::int64_t>(values_.at(name)); }
  double number(const std::string& name) const { return std::get<double>(values_.at(name)); }
  const std::string& text(const std::string& name) const { return std::get<std::string>(values_.at(name)); }
  void set(const std::string& name, OptionValue value) { values_[name] = std::move(value); }
  const std::map<std::string, OptionValue>& all() const { return values_; }

private:
  std::map<std::string, OptionValue> values_;
};

// The parts of a text between the characters `at`; one at least.
std::vector<std::string> split(const std::string& text, char at);

// All options at their defaults.
OptionValues defaults_of(const std::vector<MechanismOption>& options);
// Reads "k=512,window=128", the options of what is called `id`; those that are not named stay at their defaults. Errors
// name the option as their field.
Result<OptionValues> parse_options(const std::string& id, const std::vector<MechanismOption>& options,
                                   const std::string& text);

} // namespace headscope::mechanisms
