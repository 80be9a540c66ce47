// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

class Window : public Mechanism {
public:
  explicit Window(const OptionValues& options) : window_(options.at("window")) {}

  TileFunction open(const Text& text) const override {
    return [&text, window = window_](Range queries) {
      const std::int64_t begin = std::max<std::int64_t>(0, queries.begin - window + 1);
      Tile tile = full_scores(text, queries, std::vector<Range>{{begin, queries.end}});
      const at::Tensor distance = query_positions(text, queries) - key_positions(text, tile.keys);
      tile.scores = tile.scores.masked_fill(distance >= window, not_visited);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, window = window_](Range queries) {
      const SparseAttentionInput input = sparse_input(text, queries);
      return sparse_output(text, input, streaming_keys(queries.count(), queries.begin, 0, window, text.q.device()));
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) { return i - j < window_; });
  }

  std::optional<std::int64_t> reach() const override { return window_; }

private:
  std::int64_t window_;
};

} // namespace

extern const MechanismDefinition window = {
    .info = {.id = "window",
             .title = "sliding window",
             .what = "the last `window` tokens, itself among them",
             .cost = "O(T window)",
             .reference = "Longformer, arXiv 2004.05150",
             .equals_full = "window ≥ T",
             .training = "none, but a model that was trained with full attention loses its sinks",
             .options = {{.name = "window", .value = 128, .least = 1, .help = "tokens"}}},
    .make = make<Window>};

} // namespace headscope::mechanisms
