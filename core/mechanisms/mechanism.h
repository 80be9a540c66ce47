// SPDX-License-Identifier: GPL-3.0-or-later
// A mechanism: another way for heads to attend, in place of full attention over all earlier tokens. One file of
// core/mechanisms/mechanisms each, named after the mechanism and found by its name, with what it is, its options, a
// reference in plain double-precision loops and the form that runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/plain_head.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

struct MechanismOption {
  const char* name;
  std::int64_t value; // the default; of a choice its index
  std::int64_t least; // of a number
  const char* help;
  std::vector<const char*> choices = {}; // not empty: a choice, not a number
};

// The values of all options by name; of a choice its index.
using OptionValues = std::map<std::string, std::int64_t>;

struct MechanismInfo {
  const char* id;
  const char* title;
  const char* what;           // which keys a query attends to, and how
  const char* cost;           // of T tokens
  const char* reference;      // paper or code
  const char* equals_full;    // the parameters at which it is full attention
  const char* training;       // what the original needs, and what is left without
  bool whole_rows = false;    // z of a query depends on other queries of the text
  bool before_rotary = false; // reads q and k before the rotary step
  std::vector<MechanismOption> options = {};
};

// What all queries of a text share is computed when this is made; then tiles of query positions in any order.
using TileFunction = std::function<TileScores(Range queries)>;

class Mechanism {
public:
  virtual ~Mechanism() = default;
  // The form that runs. The text outlives what is returned.
  virtual TileFunction open(const Text& text) const = 0;
  // The same by definition, of one head of a whole text: the pattern [query][key].
  virtual Rows reference(const PlainHead& head) const = 0;
};

struct MechanismDefinition {
  MechanismInfo info;
  // Returns invalid_argument, at the option, where options do not go together. Bounds were checked before.
  Result<std::shared_ptr<const Mechanism>> (*make)(const OptionValues& options);
};

// All mechanisms, `full` first, then by name.
std::span<const MechanismDefinition* const> all_mechanisms();
// Finds one by its id, or null.
const MechanismDefinition* find_mechanism(const std::string& id);

// Makes a mechanism that checks nothing beyond the bounds of its options.
template <typename M> Result<std::shared_ptr<const Mechanism>> make(const OptionValues& options) {
  return std::shared_ptr<const Mechanism>(std::make_shared<M>(options));
}

} // namespace headscope::mechanisms
