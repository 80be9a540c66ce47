// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of chosen keys are raised by a share of their size before the softmax.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/spans.h"

namespace headscope::mechanisms {
namespace {

struct BoostOptions {
  std::vector<Range> spans, other;
  double alpha = 0.0, beta = 0.0;
  std::int64_t from = 0;
};

// The factor of |score| for each key, [key].
at::Tensor factors(std::int64_t keys, const BoostOptions& options, const at::TensorOptions& as) {
  at::Tensor out = at::zeros({keys}, as);
  const auto set = [&](const std::vector<Range>& spans, double factor) {
    for (const Range& span : spans)
      if (span.begin < keys) out.narrow(0, span.begin, std::min(span.end, keys) - span.begin).fill_(factor);
  };
  set(options.other, options.beta);
  set(options.spans, options.alpha);
  return out;
}

class Boost : public Mechanism {
public:
  explicit Boost(BoostOptions options) : options_(std::move(options)) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor raised = tile.scores + tile.scores.abs() * factors(queries.end, options_, tile.scores.options());
      const at::Tensor changes =
          (query_positions(text, queries) >= options_.from).logical_and(tile.scores != not_visited);
      tile.scores = at::where(changes, raised, tile.scores);
      return tile;
    };
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t) const override {
    Explanation out;
    out.kind = ExplanationKind::groups;
    out.title = "Keys whose scores are changed: spans, other";
    for (std::int64_t key = 0; key < text.keys(); ++key)
      out.key_groups.push_back(holds(options_.spans, key) ? 0 : holds(options_.other, key) ? 1 : -1);
    return {out};
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_of(head, [&](std::int64_t i, std::int64_t j) {
      const double s = head.score(i, j);
      const double factor = holds(options_.spans, j) ? options_.alpha : holds(options_.other, j) ? options_.beta : 0.0;
      return i < options_.from ? s : s + factor * std::abs(s);
    });
  }

private:
  BoostOptions options_;
};

Result<std::shared_ptr<const Mechanism>> make_boost(const OptionValues& values) {
  BoostOptions options;
  HS_ASSIGN(options.spans, parse_spans(values.text("spans"), "spans"));
  HS_ASSIGN(options.other, parse_spans(values.text("other"), "other"));
  options.alpha = values.number("alpha");
  options.beta = values.number("beta");
  options.from = values.at("from");
  return std::shared_ptr<const Mechanism>(std::make_shared<Boost>(std::move(options)));
}

} // namespace

extern const MechanismDefinition boost = {
    .info = {.id = "boost",
             .title = "boost of spans before the softmax",
             .what =
                 "every earlier token; the score s of a token in `spans` becomes s + alpha |s|, in `other` s + beta "
                 "|s|, for queries from position `from` on",
             .cost = "O(T²)",
             .reference = "hasanar1f/llava-hallunication-fix on PAI, which boosts image tokens for the last query in "
                          "layers 2-31",
             .equals_full = "alpha = beta = 0, or no spans",
             .training = "none",
             .options =
                 {{.name = "spans", .value = "", .help = "positions, e.g. 10-20+35: both ends are in"},
                  {.name = "alpha", .value = 0.5, .least = -1e30, .most = 1e30, .help = "share of |s| that is added"},
                  {.name = "other", .value = "", .help = "positions with another share"},
                  {.name = "beta", .value = 0.0, .least = -1e30, .most = 1e30, .help = "their share"},
                  {.name = "from", .value = 0, .least = 0, .help = "first query that is changed"}}},
    .make = make_boost};

} // namespace headscope::mechanisms
