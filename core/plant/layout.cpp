// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "core/plant/numbers.h"

namespace headscope::plant {
namespace {

constexpr std::uint64_t layout_purpose = 2;
constexpr int most_tries = 20000; // three layers of four heads, which just fit, need a few hundred

constexpr std::array<const char*, 19> ids = {
    "previous",      "induction",        "duplicate",      "retrieval",  "successor",
    "sink",          "name_mover",       "correct_letter", "vision",     "two_back",
    "s_inhibition",  "content_gatherer", "needle_gazer",   "far_copier", "zero_value_first",
    "first_glancer", "ordinal_copier",   "name_gazer",     "noise"};

// The kinds that `kind` reads from, whose first head must be in an earlier layer.
std::vector<Kind> read_from(Kind kind) {
  switch (kind) {
  case Kind::induction: return {Kind::previous};
  case Kind::retrieval: return {Kind::previous, Kind::two_back};
  case Kind::content_gatherer: return {Kind::two_back};
  case Kind::name_mover:
  case Kind::name_gazer: return {Kind::s_inhibition};
  case Kind::correct_letter: return {Kind::content_gatherer};
  default: return {};
  }
}

// Successor heads read what the first MLP writes, so they start in layer 1.
int first_layer(Kind kind) { return kind == Kind::successor || kind == Kind::ordinal_copier ? 1 : 0; }

// Ordered so that kinds come after those they read from.
constexpr std::array needed = {Kind::previous,         Kind::two_back,  Kind::duplicate, Kind::s_inhibition,
                               Kind::content_gatherer, Kind::induction, Kind::retrieval, Kind::name_mover,
                               Kind::correct_letter,   Kind::successor, Kind::sink,      Kind::vision};
constexpr std::array distractors = {Kind::needle_gazer,  Kind::far_copier,     Kind::zero_value_first,
                                    Kind::first_glancer, Kind::ordinal_copier, Kind::name_gazer};
constexpr std::array repeatable = {Kind::previous,   Kind::induction,      Kind::duplicate,
                                   Kind::retrieval,  Kind::successor,      Kind::sink,
                                   Kind::name_mover, Kind::correct_letter, Kind::vision};

std::vector<Kind> choose_kinds(const PlantOptions& options, Splitmix& random) {
  const auto total = static_cast<std::size_t>(options.layers) * static_cast<std::size_t>(options.heads);
  std::vector<Kind> kinds(needed.begin(), needed.end());
  std::vector<Kind> mimics(distractors.begin(), distractors.end());
  random.shuffle(mimics);
  for (const Kind kind : mimics)
    if (kinds.size() < total) kinds.push_back(kind);
  const std::size_t left = total - std::min(total, kinds.size());
  const std::size_t more = left / 2 == 0 ? 0 : random.below(std::min<std::size_t>(left / 2, 8) + 1);
  for (std::size_t i = 0; i < more; ++i)
    kinds.push_back(repeatable[random.below(repeatable.size())]);
  return kinds;
}

class Placement {
public:
  Placement(const PlantOptions& options, Splitmix& random) : options_(options), random_(random) {
    for (int layer = 0; layer < options.layers; ++layer) {
      std::vector<int> heads;
      for (int head = 0; head < options.heads; ++head)
        heads.push_back(head);
      random.shuffle(heads);
      free_.push_back(std::move(heads));
    }
  }

  // Places heads at random; returns nothing when the kinds do not fit in the order drawn.
  std::optional<std::vector<PlantedHead>> place(const std::vector<Kind>& kinds) {
    for (const Kind kind : kinds) {
      int from = first_layer(kind);
      for (const Kind source : read_from(kind))
        from = std::max(from, layer_of_.at(source) + 1);
      if (from >= options_.layers) return std::nullopt;
      const int layer = from + static_cast<int>(random_.below(static_cast<std::size_t>(options_.layers - from)));
      if (!take(layer, kind)) return std::nullopt;
      layer_of_.emplace(kind, layer); // of the first of its kind
    }
    for (int layer = 0; layer < options_.layers; ++layer)
      while (take(layer, Kind::noise)) {
      }
    return std::move(heads_);
  }

private:
  bool take(int layer, Kind kind) {
    std::vector<int>& heads = free_[static_cast<std::size_t>(layer)];
    if (heads.empty()) return false;
    heads_.push_back({layer, heads.back(), kind, 1.0});
    heads.pop_back();
    return true;
  }

  const PlantOptions& options_;
  Splitmix& random_;
  std::vector<std::vector<int>> free_;
  std::map<Kind, int> layer_of_;
  std::vector<PlantedHead> heads_;
};

// A signal that other heads read is written by the first head of its kind; the others of that kind add little.
void share_outputs(std::vector<PlantedHead>& heads) {
  std::map<Kind, int> count;
  for (const PlantedHead& head : heads)
    ++count[head.kind];
  std::map<Kind, int> seen;
  for (PlantedHead& head : heads) {
    const bool first = seen[head.kind]++ == 0;
    if (head.kind == Kind::previous || head.kind == Kind::duplicate)
      head.share = first ? 1.0 : 0.125;
    else
      head.share = 1.0 / count[head.kind];
  }
}

Status check(const PlantOptions& options) {
  const auto refuse = [](const char* option, const std::string& message) {
    return make_error(ErrorCode::invalid_argument, message, {}, option);
  };
  if (options.layers < 3 || options.layers > 64) return refuse("layers", "must be from 3 to 64");
  if (options.heads < 1 || options.heads > 64) return refuse("heads", "must be from 1 to 64");
  if (options.kv_heads < 1 || options.heads % options.kv_heads != 0)
    return refuse("kv_heads", "must divide the " + std::to_string(options.heads) + " heads of a layer");
  if (!(options.noise >= 0.0) || options.noise > 100.0) return refuse("noise", "must be from 0 to 100");
  if (options.layers * options.heads < static_cast<int>(needed.size()))
    return refuse("heads", std::to_string(options.layers * options.heads) + " heads in all are too few; " +
                               std::to_string(needed.size()) + " are planted at least");
  return {};
}

} // namespace

const char* kind_id(Kind kind) { return ids[static_cast<std::size_t>(kind)]; }
bool is_target(Kind kind) { return kind <= Kind::vision; }
bool is_helper(Kind kind) { return kind >= Kind::two_back && kind <= Kind::content_gatherer; }
bool is_distractor(Kind kind) { return kind >= Kind::needle_gazer && kind <= Kind::name_gazer; }

Result<std::vector<PlantedHead>> draw_layout(const PlantOptions& options) {
  HS_TRY(check(options));
  Splitmix random(options.seed, layout_purpose);
  const std::vector<Kind> kinds = choose_kinds(options, random);
  for (int attempt = 0; attempt < most_tries; ++attempt) {
    auto heads = Placement(options, random).place(kinds);
    if (!heads) continue;
    share_outputs(*heads);
    std::sort(heads->begin(), heads->end(), [](const PlantedHead& a, const PlantedHead& b) {
      return a.layer != b.layer ? a.layer < b.layer : a.head < b.head;
    });
    return std::move(*heads);
  }
  return make_error(ErrorCode::invalid_argument,
                    "the heads do not fit: some have to be in a later layer than others; give more layers or heads", {},
                    "heads");
}

} // namespace headscope::plant
