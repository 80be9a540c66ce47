// SPDX-License-Identifier: GPL-3.0-or-later
// The options of a detector: their specs, what was set, and all values for the result file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope {

using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

struct OptionSpec {
  std::string name;
  OptionValue standard;                  // the default; its kind is the option's kind
  std::string help;                      // one line
  std::vector<std::string> allowed = {}; // of a string; empty: any
  double least = -1e18;                  // of a number
  bool file = false;                     // of a string: names a file or folder that is read
  std::vector<std::string> words = {};   // of a file: values that are none, but names of something built in
};

// Whether the option's value is a file or folder.
bool names_file(const OptionSpec& spec, const std::string& value);

// Moves an error of the file that an option names to that option: "retrieval.needle_file: line 3: answer".
Error at_option(const Error& error, const std::string& option);

class OptionSet {
public:
  OptionSet() = default;
  explicit OptionSet(std::vector<OptionSpec> specs) : specs_(std::move(specs)) {}

  const std::vector<OptionSpec>& specs() const { return specs_; }

  // Sets an option from text: true/false/on/off, an integer, a number, or a string. Returns not_found (with the known
  // names) or invalid_argument (with what is allowed).
  Status set(const std::string& name, const std::string& text);

  // `name` must have this kind in the specs.
  bool flag(const std::string& name) const { return std::get<bool>(value(name)); }
  std::int64_t integer(const std::string& name) const { return std::get<std::int64_t>(value(name)); }
  double number(const std::string& name) const { return std::get<double>(value(name)); }
  const std::string& text(const std::string& name) const { return std::get<std::string>(value(name)); }

  bool is_set(const std::string& name) const { return set_.count(name) != 0; } // otherwise it has its default

  // Returns every option with its value, for the result file.
  store::Attributes attributes() const;

private:
  const OptionValue& value(const std::string& name) const;

  std::vector<OptionSpec> specs_;
  std::map<std::string, OptionValue> set_;
};

} // namespace headscope
