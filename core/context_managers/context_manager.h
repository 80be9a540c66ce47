// SPDX-License-Identifier: GPL-3.0-or-later
// A context manager: what keeps a text that a model reads in segments together. It stores something of every segment,
// and puts something of what it stored before and behind the next one, as tokens or as vectors in place of embeddings.
// One file of core/context_managers/managers each, named after the manager and found by its name.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/mechanisms/options.h"

namespace headscope::contexts {

using Ids = std::vector<std::int64_t>;

// Tokens, or vectors that take the place of embeddings; one of the two.
struct Piece {
  Ids tokens;
  at::Tensor vectors; // [n, d_model] on the CPU
  std::int64_t size() const { return vectors.defined() ? vectors.size(0) : std::ssize(tokens); }
};

// One way to read a segment: with this around it. Where there are several, the residual stream after the last block is
// their mean by these weights, whose sum is 1.
struct Reading {
  std::vector<Piece> before, after;
  double weight = 1.0;
};

struct Surroundings {
  std::vector<Reading> readings = {Reading{}};
  std::vector<double> recall; // what each stored segment counts
};

// What managers may ask of the model. States are residuals after the last block, scaled to a root mean square of 1.
class Reader {
public:
  virtual ~Reader() = default;
  // The states of tokens that are read by themselves, [pos, d_model] on the CPU.
  virtual Result<at::Tensor> states(const Ids& tokens) const = 0;
  // Their embeddings as the first block gets them, without learned positions, [pos, d_model] on the CPU.
  virtual Result<at::Tensor> embeddings(const Ids& tokens) const = 0;
};

// A segment that was read.
struct Stored {
  Ids tokens;
  at::Tensor states;       // [pos, d_model] of its tokens
  at::Tensor after_states; // [n, d_model] of what stood behind it
};

// What a manager keeps of one text.
class Memory {
public:
  virtual ~Memory() = default;
  // What is read around the next segment. `asked` are the tokens by which the memory is asked: those before the
  // segment, or a question about the text; `prior` those that directly precede it. Both are empty at the first one.
  virtual Result<Surroundings> around(const Ids& asked, const Ids& prior) = 0;
  virtual Status store(const Stored& segment) = 0;
  // How much each token surprised when it was stored, in the order of the text; empty where that is no notion.
  virtual std::vector<double> surprise() const { return {}; }
};

class ContextManager {
public:
  virtual ~ContextManager() = default;
  // The reader outlives the memory.
  virtual std::unique_ptr<Memory> open(const Reader& reader) const = 0;
};

struct ManagerInfo {
  const char* id;
  const char* title;
  const char* what; // what is stored and what is read again
  const char* cost; // of T tokens in segments of L
  const char* reference;
  const char* equals_full; // when it is the model itself
  const char* training;    // what the original needs, and what is left without
  std::vector<mechanisms::MechanismOption> options = {};
};

struct ManagerDefinition {
  ManagerInfo info;
  std::shared_ptr<const ContextManager> (*make)(const mechanisms::OptionValues& options);
};

// All managers, `alone` first, then by name.
std::span<const ManagerDefinition* const> all_managers();

// Reads "hmt:sensory=32,memories=100". Errors name the option as their field.
Result<std::shared_ptr<const ContextManager>> parse_manager(const std::string& spec);

template <typename M> std::shared_ptr<const ContextManager> make(const mechanisms::OptionValues& options) {
  return std::make_shared<M>(options);
}

// How well stored vectors [n, d_model] answer a query [d_model], [n]: products over the root of d_model. Centred: the
// stored vectors' mean, which states of any text have in common, is taken off both.
at::Tensor answer_scores(const at::Tensor& query, const at::Tensor& stored, bool centred);

// Vectors [n, d_model] of the mean length of these embeddings [m, d_model].
at::Tensor sized_as(const at::Tensor& vectors, const at::Tensor& embeddings);

} // namespace headscope::contexts
