// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/toml_table.h"

#include <limits>
#include <map>
#include <set>
#include <sstream>

#include <toml++/toml.h>

#include "core/base/limits.h"
#include "core/io/toml_text.h"

namespace headscope {

struct TomlTable::State {
  std::string file;
  std::shared_ptr<toml::table> owner;
  const toml::table* table = nullptr;
  std::set<std::string, std::less<>> read;
  std::optional<Error> error;
  std::map<std::string, const toml::node*, std::less<>> swept; // in place of the table's own

  const toml::node* get(std::string_view key) const {
    const auto found = swept.find(key);
    return found != swept.end() ? found->second : table->get(key);
  }
};

namespace {

std::string place(const toml::source_position& at) {
  return "line " + std::to_string(at.line) + ", column " + std::to_string(at.column);
}

Error located(const std::string& file, const toml::node& node, const std::string& key, ErrorCode code,
              const std::string& message) {
  return make_error(code, message, file, place(node.source().begin) + (key.empty() ? "" : ": " + key));
}

const char* kind(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::string: return "a text";
  case toml::node_type::integer: return "a whole number";
  case toml::node_type::floating_point: return "a number";
  case toml::node_type::boolean: return "true or false";
  case toml::node_type::array: return "a list";
  case toml::node_type::table: return "a table";
  default: return "a date or time";
  }
}

} // namespace

Result<TomlTable> TomlTable::parse(const std::string& text, const std::string& file) {
  HS_TRY(check_toml_text(text, file));
  TomlTable out;
  out.state_ = std::make_shared<State>();
  out.state_->file = file;
  try { // the packaged library reports by exceptions
    out.state_->owner = std::make_shared<toml::table>(toml::parse(text, file));
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::invalid_argument, std::string(error.description()), file, place(error.source().begin));
  }
  out.state_->table = out.state_->owner.get();
  return out;
}

void TomlTable::fail(Error error) {
  if (!state_->error) state_->error = std::move(error);
}

Error TomlTable::error_at(const char* key, ErrorCode code, const std::string& message) const {
  const toml::node* node = state_->get(key);
  return located(state_->file, node ? *node : *state_->table, key, code, message);
}

Error TomlTable::error_in_list(const char* key, std::size_t index, ErrorCode code, const std::string& message) const {
  const toml::node* node = state_->get(key);
  const toml::array* list = node ? node->as_array() : nullptr;
  const toml::node* element = list ? list->get(index) : nullptr;
  return element ? located(state_->file, *element, key, code, message) : error_at(key, code, message);
}

bool TomlTable::has(const char* key) const { return state_->get(key) != nullptr; }

bool TomlTable::is_list(const char* key) const {
  const toml::node* node = state_->get(key);
  return node && node->is_array();
}

namespace {

template <typename T> const char* wanted();
template <> const char* wanted<std::string>() { return "a text"; }
template <> const char* wanted<bool>() { return "true or false"; }
template <> const char* wanted<std::int64_t>() { return "a whole number"; }
template <> const char* wanted<double>() { return "a number"; }

template <typename T> std::optional<T> value_of(const toml::node& node) {
  if constexpr (std::is_same_v<T, double>) return node.value<double>();
  return node.value_exact<T>();
}

} // namespace

// Finds the key and passes its node to `use`, which returns what is wrong.
#define HS_TOML_READ(key, use)                                                                                         \
  do {                                                                                                                 \
    state_->read.insert(key);                                                                                          \
    if (const toml::node* node = state_->get(key)) {                                                                   \
      const std::string problem = use(*node);                                                                          \
      if (!problem.empty()) fail(located(state_->file, *node, key, ErrorCode::invalid_argument, problem));             \
    }                                                                                                                  \
  } while (false)

namespace {

template <typename T> auto take(T& value) {
  return [&value](const toml::node& node) -> std::string {
    const auto found = value_of<T>(node);
    if (!found) return std::string("must be ") + wanted<T>() + ", not " + kind(node);
    value = *found;
    return {};
  };
}

template <typename T> auto take_list(std::vector<T>& value) {
  return [&value](const toml::node& node) -> std::string {
    std::vector<T> list;
    const toml::array* array = node.as_array();
    for (std::size_t i = 0; i < (array ? array->size() : 1); ++i) {
      const toml::node& each = array ? *array->get(i) : node;
      const auto found = value_of<T>(each);
      if (!found) return std::string("must be a list of which each is ") + wanted<T>() + ", not " + kind(each);
      list.push_back(*found);
    }
    value = std::move(list);
    return {};
  };
}

} // namespace

void TomlTable::read(const char* key, std::string& value) { HS_TOML_READ(key, take(value)); }
void TomlTable::read(const char* key, bool& value) { HS_TOML_READ(key, take(value)); }
void TomlTable::read(const char* key, std::int64_t& value) { HS_TOML_READ(key, take(value)); }
void TomlTable::read(const char* key, double& value) { HS_TOML_READ(key, take(value)); }
void TomlTable::read(const char* key, std::vector<std::string>& value) { HS_TOML_READ(key, take_list(value)); }
void TomlTable::read(const char* key, std::vector<double>& value) { HS_TOML_READ(key, take_list(value)); }
void TomlTable::read(const char* key, std::vector<std::int64_t>& value) { HS_TOML_READ(key, take_list(value)); }
#undef HS_TOML_READ

void TomlTable::read(const char* key, std::uint64_t& value) {
  auto number = static_cast<std::int64_t>(value);
  read(key, number);
  if (number < 0) fail(error_at(key, ErrorCode::invalid_argument, "must not be negative"));
  value = static_cast<std::uint64_t>(number);
}
void TomlTable::read(const char* key, int& value) {
  std::int64_t number = value;
  read(key, number);
  if (number < 0 || number > std::numeric_limits<int>::max())
    return fail(error_at(key, ErrorCode::invalid_argument, "is out of range"));
  value = static_cast<int>(number);
}
void TomlTable::read(const char* key, std::optional<std::int64_t>& value) {
  if (!has(key)) return;
  std::int64_t number = 0;
  read(key, number);
  value = number;
}

std::optional<TomlTable> TomlTable::table(const char* key) {
  state_->read.insert(key);
  const toml::node* node = state_->table->get(key);
  if (!node) return std::nullopt;
  if (!node->is_table()) {
    fail(error_at(key, ErrorCode::invalid_argument, std::string("must be a table, not ") + kind(*node)));
    return std::nullopt;
  }
  TomlTable out;
  out.state_ = std::make_shared<State>(State{state_->file, state_->owner, node->as_table(), {}, {}, {}});
  return out;
}

std::vector<TomlTable> TomlTable::tables(const char* key) {
  state_->read.insert(key);
  std::vector<TomlTable> out;
  const toml::node* node = state_->table->get(key);
  if (!node) return out;
  const toml::array* array = node->as_array();
  for (std::size_t i = 0; array && i < array->size(); ++i)
    if (const toml::table* each = array->get(i)->as_table()) {
      out.emplace_back();
      out.back().state_ = std::make_shared<State>(State{state_->file, state_->owner, each, {}, {}, {}});
    }
  if (!array || out.size() != array->size())
    fail(error_at(key, ErrorCode::invalid_argument, std::string("must be tables: [[") + key + "]]"));
  return out;
}

std::vector<TomlTable::Swept> TomlTable::sweep() {
  std::vector<Swept> out = {{*this, {}}};
  state_->read.insert("sweep");
  const auto lists = table("sweep");
  if (!lists) return out;
  std::size_t combinations = 1;
  for (const auto& [key, node] : *lists->state_->table) {
    const auto refuse = [&, &key = key, &node = node](const std::string& message) {
      fail(located(state_->file, node, std::string(key.str()), ErrorCode::invalid_argument, message));
      return std::vector<Swept>{};
    };
    const toml::array* values = node.as_array();
    if (!values || values->empty()) return refuse("must be a list of values");
    combinations *= values->size(); // of two numbers below 2^32
    if (combinations > limits::sweep_steps || values->size() > limits::sweep_steps)
      return refuse("makes this sweep more than " + std::to_string(limits::sweep_steps) +
                    " steps; split it over several files");
  }
  for (const auto& [key, node] : *lists->state_->table) {
    const toml::array* values = node.as_array();
    std::vector<Swept> next;
    for (const Swept& each : out)
      for (const toml::node& value : *values) {
        std::ostringstream text;
        value.visit([&](const auto& concrete) { text << toml::node_view<const toml::node>(&concrete); });
        std::string suffix = text.str();
        std::erase_if(suffix, [](char c) { return c == '"' || c == '\'' || c == '/' || c == ' '; });
        // The values keep their place in the file, so that errors can name it.
        auto values_in_place = each.table.state_->swept;
        values_in_place[std::string(key.str())] = &value;
        TomlTable swept;
        swept.state_ = std::make_shared<State>(
            State{state_->file, state_->owner, state_->table, {"sweep"}, {}, std::move(values_in_place)});
        next.push_back({std::move(swept), each.suffix + "-" + suffix});
      }
    out = std::move(next);
  }
  return out;
}

Status TomlTable::done() {
  if (state_->error) return *state_->error;
  for (const auto& [key, node] : state_->swept)
    if (!state_->read.contains(key)) return error_at(key.c_str(), ErrorCode::invalid_argument, "is not known here");
  for (const auto& [key, node] : *state_->table)
    if (!state_->read.contains(key.str())) {
      std::string known;
      for (const std::string& each : state_->read)
        known += (known.empty() ? "" : ", ") + each;
      const toml::source_position at = key.source().begin.line > 0 ? key.source().begin : node.source().begin;
      return make_error(ErrorCode::invalid_argument, "is not known here; there are " + known, state_->file,
                        place(at) + ": " + std::string(key.str()));
    }
  return {};
}

} // namespace headscope
