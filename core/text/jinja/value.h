// SPDX-License-Identifier: GPL-3.0-or-later
// Python's values as a chat template sees them. Private to core/text.
//
// Lists and dictionaries are shared and never change, as in the sandbox that transformers renders in; only a namespace
// does. Each value counts its size on the render's budget.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/text/jinja/jinja.h"

namespace headscope::text::jinja {

// Thrown and caught inside core/text/jinja only.
struct Failure {
  ErrorCode code;
  std::string message;
};
[[noreturn]] void refuse(const std::string& message); // corrupt: what Python would not do either

// The limits of one render; every operation that makes something asks first.
class Budget {
public:
  void step(std::int64_t count = 1) {
    if ((steps_ += count) > limits::template_steps) too_much("steps", limits::template_steps);
  }
  void bytes(std::size_t size) { // of one text that is about to be made
    if (size > limits::template_bytes) too_much("bytes in one text", limits::template_bytes);
    step(static_cast<std::int64_t>(size / 16));
  }
  void elements(std::size_t count) { // of one list that is about to be made
    if (count > most_elements) too_much("elements of lists", most_elements);
    step(static_cast<std::int64_t>(count / 8));
  }
  void hold_bytes(std::size_t size) {
    if ((held_bytes_ += size) > 4 * limits::template_bytes) too_much("bytes at a time", 4 * limits::template_bytes);
  }
  void hold_elements(std::size_t count) {
    if ((held_elements_ += count) > most_elements) too_much("elements of lists", most_elements);
  }
  void release(std::size_t bytes, std::size_t elements) {
    held_bytes_ -= bytes;
    held_elements_ -= elements;
  }

  // The budget of the render in progress on this thread, where comparing and hashing count their steps.
  static Budget*& current() {
    thread_local Budget* budget = nullptr;
    return budget;
  }

private:
  static constexpr std::size_t most_elements = limits::template_bytes / 16;
  [[noreturn]] static void too_much(const char* what, std::size_t most);
  std::int64_t steps_ = 0;
  std::size_t held_bytes_ = 0, held_elements_ = 0;
};

struct List;
struct Dict;
class Object;
struct None {};
struct Undefined {
  std::string name; // of what is missing, for messages
};

struct Text {
  std::string text;
  Budget* budget = nullptr;
  Text(std::string value, Budget* owner);
  ~Text();
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
};

class Value {
public:
  Value() = default; // undefined
  explicit Value(None) : state_(None{}) {}
  explicit Value(Undefined missing) : state_(std::move(missing)) {}
  explicit Value(bool value) : state_(value) {}
  explicit Value(std::int64_t value) : state_(value) {}
  explicit Value(double value) : state_(value) {}
  explicit Value(std::shared_ptr<const Text> value) : state_(std::move(value)) {}
  explicit Value(std::shared_ptr<const List> value) : state_(std::move(value)) {}
  explicit Value(std::shared_ptr<const Dict> value) : state_(std::move(value)) {}
  explicit Value(std::shared_ptr<Object> value) : state_(std::move(value)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(state_); }
  bool is_none() const { return std::holds_alternative<None>(state_); }
  bool is_boolean() const { return std::holds_alternative<bool>(state_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(state_); }
  bool is_real() const { return std::holds_alternative<double>(state_); }
  bool is_number() const { return is_boolean() || is_integer() || is_real(); } // as in Python
  bool is_whole() const { return is_boolean() || is_integer(); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const Text>>(state_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(state_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(state_); }
  bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(state_); }

  const std::string& missing() const { return std::get<Undefined>(state_).name; }
  bool boolean() const { return std::get<bool>(state_); }
  std::int64_t whole() const { return is_boolean() ? std::int64_t{boolean()} : std::get<std::int64_t>(state_); }
  double real() const { return is_real() ? std::get<double>(state_) : static_cast<double>(whole()); }
  const std::string& text() const { return std::get<std::shared_ptr<const Text>>(state_)->text; }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(state_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(state_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(state_); }
  const char* type_name() const; // Python's

private:
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>, std::shared_ptr<const List>,
               std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      state_;
};

using Values = std::vector<Value>;

struct List {
  Values items;
  bool tuple = false;
  bool group = false; // of groupby: (grouper, list) by name too
  Budget* budget = nullptr;
  List(Values values, bool is_tuple, Budget* owner);
  ~List(); // not recursive, however deeply lists are nested
  List(const List&) = delete;
  List& operator=(const List&) = delete;
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries; // in order of insertion
  std::unordered_map<std::string, std::size_t> places;
  Budget* budget = nullptr;
  explicit Dict(Budget* owner) : budget(owner) {}
  ~Dict();
  Dict(const Dict&) = delete;
  Dict& operator=(const Dict&) = delete;
  const Value* find(const Value& key) const;
  void set(const Value& key, Value value);
};

struct Arguments {
  Values list;
  std::vector<std::pair<std::string, Value>> named;
  // The argument at that position or of that name; null when it is not given.
  const Value* get(std::size_t place, std::string_view name) const;
  // Refuses, in the name of `callee`, more than `most` positional arguments and names not in `names`.
  void check(const char* callee, std::size_t most, std::initializer_list<std::string_view> names) const;
};

// A value that can be called or has attributes of its own: macros, loops, namespaces.
class Object {
public:
  virtual ~Object() = default;
  virtual Value attribute(const std::string& name) const { return Value(Undefined{name}); }
  virtual Value call(Arguments& arguments);
  virtual Value call_member(const std::string& name, Arguments& arguments);
  virtual std::string description() const { return "<object>"; }
};

// A member that `set ns.name = ...` changes.
class Namespace : public Object {
public:
  explicit Namespace(Budget& budget) : budget_(budget) {}
  Value attribute(const std::string& name) const override;
  std::string description() const override { return "<Namespace>"; }
  void set(const std::string& name, Value value);
  void clear() { members_.clear(); }

private:
  Budget& budget_;
  std::unordered_map<std::string, Value> members_;
};

// Makes values and counts them on one budget.
class Maker {
public:
  explicit Maker(Budget& budget) : budget_(budget) {}
  Budget& budget() { return budget_; }
  Value text(std::string value) {
    budget_.bytes(value.size());
    return Value(std::make_shared<const Text>(std::move(value), &budget_));
  }
  Value list(Values values, bool tuple = false) {
    budget_.elements(values.size());
    return Value(std::make_shared<const List>(std::move(values), tuple, &budget_));
  }
  std::shared_ptr<Dict> dict() { return std::make_shared<Dict>(&budget_); }
  static Value dict(std::shared_ptr<Dict> made) { return Value(std::shared_ptr<const Dict>(std::move(made))); }
  Value from_json(const JinjaValue& json, int depth = 0);

private:
  Budget& budget_;
};

bool truth(const Value& value);
// Counts one pass over the bytes or elements of a value; operations that take longer count their own steps.
void count_through(const Value& value);
// Finds `wanted` in time that does not grow with the product of both sizes.
std::size_t find_text(std::string_view text, std::string_view wanted, std::size_t from = 0);
std::string to_text(const Value& value, Budget& budget); // Python's str()
std::string repr(const Value& value, Budget& budget);
std::string number_text(double value); // Python's repr() of a float
std::size_t length_of(const Value& value);
bool equal(const Value& left, const Value& right, int depth = 0);
bool less(const Value& left, const Value& right, int depth = 0); // refuses what has no order
bool contains(const Value& container, const Value& value);
Value binary(Maker& make, const std::string& operation, const Value& left, const Value& right);
Value negative(const Value& value);
Value item_of(Maker& make, const Value& value, const Value& key);
Value slice_of(Maker& make, const Value& value, const Value& start, const Value& stop, const Value& step);
Values elements_of(Maker& make, const Value& value); // the values that a loop iterates over
std::vector<std::string_view> characters(std::string_view text);

} // namespace headscope::text::jinja
