// SPDX-License-Identifier: GPL-3.0-or-later
// A table of a TOML file whose errors name file, line and column. The first error is kept and returned by done(), so
// that a reader is a list of read() calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

class TomlTable {
public:
  static Result<TomlTable> parse(const std::string& text, const std::string& file);

  // Reads a key; `value` is unchanged where the key is missing. A value of another type, or a negative number for an
  // unsigned one, is an error.
  void read(const char* key, std::string& value);
  void read(const char* key, bool& value);
  void read(const char* key, std::int64_t& value);
  void read(const char* key, std::uint64_t& value);
  void read(const char* key, int& value);
  void read(const char* key, double& value);
  void read(const char* key, std::optional<std::int64_t>& value);
  void read(const char* key, std::vector<std::string>& value); // one string is a list of one
  void read(const char* key, std::vector<double>& value);
  void read(const char* key, std::vector<std::int64_t>& value);

  bool has(const char* key) const;
  bool is_list(const char* key) const;
  std::optional<TomlTable> table(const char* key); // [key]
  std::vector<TomlTable> tables(const char* key);  // [[key]]
  // One table for each combination of the lists in [sweep], with its values filled in; `suffix` names the combination.
  // Without [sweep], the table itself.
  struct Swept;
  std::vector<Swept> sweep();

  // Makes an error at "line 3, column 5: key", or at the table where it has no such key.
  Error error_at(const char* key, ErrorCode code, const std::string& message) const;
  // The same, at an element of the list that the key has.
  Error error_in_list(const char* key, std::size_t index, ErrorCode code, const std::string& message) const;
  void fail(Error error);
  // Returns the first error, or one about the first key that was never read.
  Status done();

private:
  struct State;
  std::shared_ptr<State> state_;
};

struct TomlTable::Swept {
  TomlTable table;
  std::string suffix; // "-z"
};

} // namespace headscope
