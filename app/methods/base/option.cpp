// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/base/option.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/base/or_list.h"

namespace headscope::methods {
namespace {

template <typename... Ts> struct Overloaded : Ts... { using Ts::operator()...; };
template <typename... Ts> Overloaded(Ts...) -> Overloaded<Ts...>;

std::string number_text(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

template <typename T> std::string list_text(const std::vector<T>& values) {
  std::ostringstream text;
  for (std::size_t i = 0; i < values.size(); ++i)
    text << (i ? "," : "") << values[i];
  return text.str();
}

std::string text_of(const OptionTarget& target) {
  return std::visit(Overloaded{[](const bool* v) { return std::string(*v ? "true" : "false"); },
                               [](const double* v) { return number_text(*v); }, [](const std::string* v) { return *v; },
                               [](const std::optional<std::int64_t>* v) { return *v ? std::to_string(**v) : ""; },
                               [](const ChoiceTarget& v) { return v.get(); },
                               [](const std::vector<std::string>* v) { return list_text(*v); },
                               [](const std::vector<std::int64_t>* v) { return list_text(*v); },
                               [](const std::vector<double>* v) { return list_text(*v); },
                               [](const auto* v) { return std::to_string(*v); }},
                    target);
}

// The numbers that the variable holds.
std::vector<double> numbers_of(const OptionTarget& target) {
  using Numbers = std::vector<double>;
  return std::visit(Overloaded{[](const int* v) { return Numbers{static_cast<double>(*v)}; },
                               [](const std::int64_t* v) { return Numbers{static_cast<double>(*v)}; },
                               [](const std::uint64_t* v) { return Numbers{static_cast<double>(*v)}; },
                               [](const double* v) { return Numbers{*v}; },
                               [](const std::optional<std::int64_t>* v) {
                                 return *v ? Numbers{static_cast<double>(**v)} : Numbers{};
                               },
                               [](const std::vector<std::int64_t>* v) { return Numbers(v->begin(), v->end()); },
                               [](const std::vector<double>* v) { return *v; },
                               [](const ChoiceTarget&) { return Numbers{}; }, [](const auto*) { return Numbers{}; }},
                    target);
}

} // namespace

std::string choice_names(const std::vector<Choice>& choices) {
  std::vector<std::string> names;
  for (const Choice& choice : choices)
    names.push_back(choice.name);
  return or_list(names);
}

Option::Option(std::string name_, OptionTarget target_, std::string help_)
    : name(std::move(name_)), target(std::move(target_)), help(std::move(help_)), default_text(text_of(target)) {}

Option& Option::in(std::string units) {
  unit = std::move(units);
  return *this;
}
Option& Option::from(std::string version) {
  since = std::move(version);
  return *this;
}
Option& Option::at_least(double value) {
  least = value;
  return *this;
}
Option& Option::between(double low, double high) {
  least = low;
  most = high;
  return *this;
}
Option& Option::flags(std::vector<std::string> others) {
  more_flags = std::move(others);
  return *this;
}
Option& Option::key(std::string toml) {
  toml_key = std::move(toml);
  return *this;
}
Option& Option::excluding(std::string other) {
  excludes = std::move(other);
  return *this;
}
Option& Option::only(Offered face, std::string because) {
  offered = face;
  only_because = std::move(because);
  return *this;
}
Option& Option::by_comma() {
  comma = true;
  return *this;
}
Option& Option::must() {
  required = true;
  return *this;
}
Option& Option::reads_file() {
  file = true;
  return *this;
}
Option& Option::writes_file(std::string kinds) {
  to_file = true;
  file_kinds = std::move(kinds);
  return *this;
}
Option& Option::prose() {
  is_prose = true;
  return *this;
}
Option& Option::says(OfPrompts what) {
  of_prompts = what;
  return *this;
}
Option& Option::unrecorded() {
  recorded = false;
  return *this;
}

Option& Option::without_flag() {
  positional = true;
  return *this;
}

std::string Option::flag() const {
  if (positional) return name;
  std::string text = "--" + name;
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

const char* Option::type() const {
  return std::visit(Overloaded{[](const bool*) { return "flag"; }, [](const double*) { return "number"; },
                               [](const std::string*) { return "text"; }, [](const ChoiceTarget&) { return "choice"; },
                               [](const std::vector<std::string>*) { return "texts"; },
                               [](const std::vector<std::int64_t>*) { return "integers"; },
                               [](const std::vector<double>*) { return "numbers"; },
                               [](const auto*) { return "integer"; }},
                    target);
}

Status Option::check() const {
  for (const double value : numbers_of(target)) {
    if (least && !(value >= *least))
      return make_error(ErrorCode::invalid_argument, "must be at least " + number_text(*least), {}, flag());
    if (most && !(value <= *most))
      return make_error(ErrorCode::invalid_argument, "must be at most " + number_text(*most), {}, flag());
  }
  return {};
}

store::Attribute Option::attribute() const {
  return std::visit(Overloaded{[&](const bool* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const double* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const std::string* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const ChoiceTarget& v) {
                                 return store::Attribute{name, v.get()};
                               },
                               [&](const std::optional<std::int64_t>* v) {
                                 return *v ? store::Attribute{name, **v} : store::Attribute{name, std::string()};
                               },
                               [&](const std::vector<std::string>* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const std::vector<std::int64_t>* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const std::vector<double>* v) {
                                 return store::Attribute{name, *v};
                               },
                               [&](const auto* v) {
                                 return store::Attribute{name, static_cast<std::int64_t>(*v)};
                               }},
                    target);
}

nlohmann::json Option::to_json() const {
  nlohmann::json names = nlohmann::json::array();
  for (const Choice& choice : choices)
    names.push_back({{"name", choice.name}, {"what", choice.what}});
  nlohmann::json out = {{"name", name}, {"flag", flag()}, {"type", type()},          {"help", help},
                        {"unit", unit}, {"since", since}, {"default", default_text}, {"choices", std::move(names)}};
  out["positional"] = positional;
  out["prose"] = is_prose;
  out["reads_file"] = file;
  out["writes_file"] = to_file;
  out["required"] = required;
  out["least"] = least ? nlohmann::json(*least) : nlohmann::json();
  out["most"] = most ? nlohmann::json(*most) : nlohmann::json();
  out["key"] = offered == Offered::command_line ? nlohmann::json() : nlohmann::json(key());
  if (offered == Offered::experiment) out["flag"] = nullptr;
  out["only_because"] = only_because;
  out["more_flags"] = more_flags;
  return out;
}

Option& OptionList::add_choice(std::string name, ChoiceTarget target, std::vector<Choice> choices, std::string help) {
  Option& option = list_.emplace_back(std::move(name), OptionTarget(std::move(target)), std::move(help));
  option.choices = std::move(choices);
  return option;
}

Option& OptionList::add_choice(std::string name, std::string& target, std::vector<Choice> choices, std::string help) {
  const std::string field = name;
  ChoiceTarget bound{[&target] { return target; },
                     [&target, choices, field](const std::string& text) -> Status {
                       for (const Choice& choice : choices)
                         if (choice.name == text) {
                           target = text;
                           return {};
                         }
                       return make_error(ErrorCode::invalid_argument, text + " is not one of " + choice_names(choices),
                                         {}, field);
                     }};
  return add_choice(std::move(name), std::move(bound), std::move(choices), std::move(help));
}

const Option* OptionList::find(const std::string& name) const {
  const auto found = std::find_if(list_.begin(), list_.end(), [&](const Option& each) { return each.name == name; });
  return found == list_.end() ? nullptr : &*found;
}

Option* OptionList::find(const std::string& name) {
  const auto found = std::find_if(list_.begin(), list_.end(), [&](const Option& each) { return each.name == name; });
  return found == list_.end() ? nullptr : &*found;
}

Status OptionList::check() const {
  for (const Option& option : list_)
    HS_TRY(option.check());
  return {};
}

store::Attributes OptionList::attributes() const {
  store::Attributes used;
  for (const Option& option : list_)
    if (option.recorded) used.push_back(option.attribute());
  return used;
}

nlohmann::json OptionList::to_json() const {
  nlohmann::json out = nlohmann::json::array();
  for (const Option& option : list_)
    out.push_back(option.to_json());
  return out;
}

} // namespace headscope::methods
