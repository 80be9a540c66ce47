// SPDX-License-Identifier: GPL-3.0-or-later
// A mechanism: another way for heads to attend, in place of full attention over all earlier tokens. It says what it is,
// and has options, a reference in plain double-precision loops and the form that runs. Those of Headscope are one file
// of core/mechanisms/mechanisms each, found by its name; plugins offer others by the same interface
// (docs/plugin-guide.md).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/engine/attention_needs.h"
#include "core/mechanisms/explanation.h"
#include "core/mechanisms/options.h"
#include "core/mechanisms/plain_head.h"
#include "core/mechanisms/text.h"

namespace headscope {
struct ModelConfig;
}

namespace headscope::mechanisms {

// What the pattern of a mechanism is.
enum class Weights : std::uint8_t {
  softmax,  // of scores, which can be read and edited
  positive, // weights whose sum need not be 1, without scores
  signed_,  // weights that may be negative, without scores
};

struct MechanismInfo {
  const char* id;
  const char* title;
  const char* what;        // which keys a query attends to, and how
  const char* cost;        // of T tokens
  const char* reference;   // paper or code
  const char* equals_full; // the parameters at which it is full attention
  const char* training;    // what the original needs, and what is left without
  // What z of a query depends on beside its own q and the keys and values up to it.
  QueryScope queries = QueryScope::own;
  Weights weights = Weights::softmax;
  // Whether it is a drop-in that a trained model survives. What is none is there as an analysis and for trained
  // weights.
  bool drop_in = true;
  // Whether z of a head depends on which other heads are computed with it, so that none can be tried alone.
  bool heads_compete = false;
  bool differentiable = true; // by q, k and v, for whoever takes gradients through it
  std::vector<MechanismOption> options = {};
};

// What all queries of a text share is computed when this is made; then tiles of query positions in any order.
using TileFunction = std::function<Tile(Range queries)>;
using OutputFunction = std::function<at::Tensor(Range queries)>;

class Mechanism {
public:
  virtual ~Mechanism() = default;
  // Changes q, k or v of a text before anything else is computed from it. Values of its own must be set in
  // Text::own_values.
  virtual void prepare(Text&) const {}
  // The form that runs. The text outlives what is returned.
  virtual TileFunction open(const Text& text) const = 0;
  // z of queries [head, query, d_head] by a way that makes no pattern, where that is faster; else null. Equal to what
  // open() gives; an undefined tensor where it does not apply, e.g. where gradients are taken.
  virtual OutputFunction open_output(const Text&) const { return nullptr; }
  // The same by definition, of one head of a whole text: the pattern [query][key], which is applied to head.v.
  virtual Rows reference(const PlainHead& head) const = 0;
  // The same for mechanisms whose heads depend on one another; `heads` are those of one part of a plan. Returns a
  // pattern a head.
  virtual std::vector<Rows> references(const std::vector<PlainHead>& heads) const {
    std::vector<Rows> patterns;
    for (const PlainHead& head : heads)
      patterns.push_back(reference(head));
    return patterns;
  }
  // Returns unsupported, with the reason, where it cannot compute heads of this model. Asked when a plan is built.
  virtual Status fits(const ModelConfig&) const { return {}; }
  // What it chose for one head of the text, as prepared: chunks, runs, groups, gates, traces. Whole texts only.
  virtual std::vector<Explanation> explain(const Text&, std::int64_t /*head*/) const { return {}; }
  // As LayerNeeds has them.
  virtual bool before_rotary() const { return false; }
  virtual std::optional<std::int64_t> reach() const { return std::nullopt; }
};

struct MechanismDefinition {
  MechanismInfo info;
  // Returns invalid_argument, at the option, where options do not go together. Bounds were checked before.
  std::function<Result<std::shared_ptr<const Mechanism>>(const OptionValues& options)> make;
  std::string module = {}; // the file of the plugin that it comes from, which the host fills in; empty: Headscope's own
};

// Makes a mechanism that checks nothing beyond the bounds of its options.
template <typename M> Result<std::shared_ptr<const Mechanism>> make(const OptionValues& options) {
  return std::shared_ptr<const Mechanism>(std::make_shared<M>(options));
}

} // namespace headscope::mechanisms
