// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/sdk/mechanism_check.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

#include <ATen/ATen.h>

#include "plugins/sdk/trial_layer.h"

namespace headscope::mechanisms {
namespace {

using namespace trial;

constexpr double tolerance = 1e-5;

struct NamedShape {
  const char* name;
  Shape shape;
};

const std::vector<NamedShape>& shapes() {
  static const std::vector<NamedShape> all = {{"one token", {.tokens = 1}},
                                              {"5 tokens", {.tokens = 5}},
                                              {"31 tokens", {.tokens = 31}},
                                              {"101 tokens", {.tokens = 101}},
                                              {"padding on the left", {.tokens = 67, .left = {0, 13}}},
                                              {"a row of one token", {.tokens = 40, .left = {39, 3}}},
                                              {"padding on the right", {.tokens = 67, .right = {9, 0}}},
                                              {"a window of the model", {.tokens = 77, .window = 21}},
                                              {"a soft cap", {.tokens = 77, .softcap = 2.0}}};
  return all;
}

Range real_tokens(const Shape& shape, std::int64_t row) {
  const auto of = [row](const std::vector<std::int64_t>& pads) {
    return pads.empty() ? 0 : pads[static_cast<std::size_t>(row)];
  };
  return {of(shape.left), shape.tokens - of(shape.right)};
}

class Check {
public:
  explicit Check(const MechanismSpec& spec) : info_(spec.definition->info), mechanism_(*spec.mechanism) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(test_heads));
    std::iota(all.begin(), all.end(), 0);
    const std::shared_ptr<const MechanismInfo> info(spec.definition, &spec.definition->info);
    plan_ = plan_of({info, spec.mechanism, all});
    one_ = plan_of({info, spec.mechanism, {2}});
  }

  std::vector<CheckedPoint> run() {
    for (const NamedShape& each : shapes())
      point(std::string("form and reference, ") + each.name, [&] { return from_reference(each.shape); });
    for (const NamedShape& each : shapes())
      point(std::string("z and pattern, ") + each.name, [&] { return from_pattern(each.shape); });
    if (info_.queries != QueryScope::beside) point("text cut behind a token", [&] { return from_cut_text(); });
    point("steps from a cache", [&] { return from_steps(); });
    if (!info_.heads_compete) point("one head alone", [&] { return from_one_head(); });
    point("other heads", [&] { return of_other_heads(); });
    return std::move(points_);
  }

private:
  static std::shared_ptr<const AttentionPlan> plan_of(const PlanPart& part) {
    return std::make_shared<const AttentionPlan>(part.info->id, std::vector<std::vector<PlanPart>>{{part}}, test_heads);
  }

  at::Tensor run(const Layer& layer) const { return plan_->run_rows(layer.input, layer.rows); }

  // Adds a point that holds where what it measures is a small number.
  void point(std::string what, const std::function<double()>& measure) {
    CheckedPoint added{std::move(what), 0.0, {}};
    try {
      added.difference = measure();
      if (!(added.difference < tolerance)) added.failure = "differs by more than 1e-5";
    } catch (const std::exception& exception) {
      added.difference = NAN;
      added.failure = exception.what();
    }
    points_.push_back(std::move(added));
  }

  double from_reference(const Shape& shape) const {
    const Layer layer = random_layer(shape);
    const at::Tensor z = run(layer);
    double largest = 0.0;
    for (std::int64_t row = 0; row < 2; ++row) {
      std::vector<PlainHead> heads;
      for (std::int64_t head = 0; head < test_heads; ++head)
        heads.push_back(plain_head(layer, shape, row, head));
      const std::vector<Rows> patterns = mechanism_.references(heads);
      const Range real = real_tokens(shape, row);
      for (std::size_t head = 0; head < heads.size(); ++head) {
        if (std::ssize(patterns.at(head)) != real.count() || std::ssize(patterns[head].front()) != real.count())
          throw std::runtime_error("its reference gives no pattern [query][key] of the whole text");
        const at::Tensor got = z[row].narrow(0, real.begin, real.count()).select(1, static_cast<std::int64_t>(head));
        largest = std::max(largest, largest_difference(got, mixed_by(patterns[head], heads[head].v)));
      }
    }
    return largest;
  }

  // z as made with and without the pattern; and the pattern is of the declared kind.
  double from_pattern(const Shape& shape) const {
    Layer layer = random_layer(shape);
    const at::Tensor z = run(layer);
    std::vector<at::Tensor> tiles;
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) { tiles.push_back(tile.pattern); };
    layer.input.observer = &observer;
    const at::Tensor seen = run(layer), pattern = at::cat(tiles, 2);
    if (info_.weights == Weights::softmax && (pattern.sum(-1) - 1.0).abs().max().item<double>() > tolerance)
      throw std::runtime_error("its weights are declared a softmax, and do not add up to 1");
    if (info_.weights != Weights::signed_ && pattern.min().item<double>() < 0.0)
      throw std::runtime_error("has weights below zero, and does not declare them");
    double largest = 0.0;
    for (std::int64_t row = 0; row < 2; ++row) {
      const Range real = real_tokens(shape, row);
      largest = std::max(largest, largest_difference(z[row].narrow(0, real.begin, real.count()),
                                                     seen[row].narrow(0, real.begin, real.count())));
    }
    return largest;
  }

  // z of a token is the same when the text ends behind it.
  double from_cut_text() const {
    const Layer layer = random_layer({.tokens = 72});
    const at::Tensor whole = run(layer);
    double largest = 0.0;
    for (const std::int64_t end : {1, 2, 9, 40, 41, 55, 64, 71})
      largest =
          std::max(largest, largest_difference(run(part_of(layer, end)).select(1, end - 1), whole.select(1, end - 1)));
    return largest;
  }

  // A step gives what the last query of the text up to it gets.
  double from_steps() const {
    const Layer layer = random_layer({.tokens = 70, .left = {0, 9}});
    double largest = 0.0;
    for (const std::int64_t at : {20, 27, 41, 64, 69}) {
      const at::Tensor whole = run(part_of(layer, at + 1)).select(1, at);
      largest = std::max(largest, largest_difference(run(part_of(layer, at + 1, at)).select(1, 0), whole));
    }
    if (info_.queries == QueryScope::beside) return largest;
    const at::Tensor several = run(part_of(layer, 70, 33)); // more than one query behind a cache
    return std::max(largest, largest_difference(several, run(layer).narrow(1, 33, 37)));
  }

  double from_one_head() const {
    const Layer layer = random_layer({.tokens = 80, .left = {0, 11}});
    return largest_difference(one_->run_rows(layer.input, layer.rows).select(2, 2), run(layer).select(2, 2));
  }

  double of_other_heads() const {
    const Layer layer = random_layer({.tokens = 80, .left = {0, 11}});
    const at::Tensor z = one_->run_rows(layer.input, layer.rows), full = default_attention().run(layer.input);
    return std::max(largest_difference(z.narrow(2, 0, 2), full.narrow(2, 0, 2)),
                    largest_difference(z.select(2, 3), full.select(2, 3)));
  }

  const MechanismInfo& info_;
  const Mechanism& mechanism_;
  std::shared_ptr<const AttentionPlan> plan_, one_; // of all heads, and of head 2
  std::vector<CheckedPoint> points_;
};

} // namespace

std::vector<CheckedPoint> check_mechanism(const MechanismSpec& spec) { return Check(spec).run(); }

} // namespace headscope::mechanisms
