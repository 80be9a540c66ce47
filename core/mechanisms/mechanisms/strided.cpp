// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/spans.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

class Strided : public Mechanism {
public:
  Strided(const OptionValues& options, std::vector<Range> distances)
      : stride_(options.at("stride")), window_(options.at("window")), sinks_(options.at("sinks")),
        distances_(std::move(distances)) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor key = key_positions(text, tile.keys), distance = query_positions(text, queries) - key;
      at::Tensor visited = (distance < window_).logical_or(key < sinks_);
      if (stride_ > 0) visited = visited.logical_or(distance.remainder(stride_) == 0);
      for (const Range& each : distances_)
        visited = visited.logical_or((distance >= each.begin).logical_and(distance < each.end));
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  // The window with the sinks, and what lies before both: by the remainders of positions, or by distance. Keys that
  // both name would have to be found first.
  OutputFunction open_output(const Text& text) const override {
    if (stride_ > 0 && !distances_.empty()) return nullptr;
    return [&text, this](Range queries) {
      const SparseAttentionInput input = sparse_input(text, queries);
      std::vector<std::optional<SparseAttentionOutput>> parts;
      parts.push_back(
          sparse_part(text, input, streaming_keys(queries.count(), queries.begin, sinks_, window_, text.q.device())));
      if (const auto far = before(text, queries, window_); far && stride_ > 0)
        parts.push_back(sparse_part(text, *far, strides(text, queries)));
      for (const Range& each : distances_) {
        const std::int64_t begin = std::max(each.begin, window_);
        if (begin >= std::min(each.end, queries.end)) continue;
        const auto far = before(text, queries, begin);
        if (far) parts.push_back(sparse_part(text, *far, band_keys(*far, each.end - begin, sinks_)));
      }
      return joined_output(parts);
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) {
      const bool strides = stride_ > 0 && (i - j) % stride_ == 0;
      return strides || i - j < window_ || j < sinks_ || holds(distances_, i - j);
    });
  }

private:
  // An input whose queries see keys at least so far before them; nullopt: the model hides all of these.
  std::optional<SparseAttentionInput> before(const Text& text, Range queries, std::int64_t distance) const {
    SparseAttentionInput input = sparse_input(text, queries);
    input.query_offset -= distance;
    if (!text.window) return input;
    if (*text.window <= distance) return std::nullopt;
    input.window = *text.window - distance;
    return input;
  }

  // Each query's keys at multiples of the stride before it, without the sinks.
  VisitedKeys strides(const Text& text, Range queries) const {
    std::vector<QueryGroup> groups(static_cast<std::size_t>(std::min(stride_, queries.end)));
    for (std::int64_t i = queries.begin; i < queries.end; ++i)
      groups[static_cast<std::size_t>(i % stride_)].queries.push_back(static_cast<std::int32_t>(i - queries.begin));
    for (std::size_t rest = 0; rest < groups.size(); ++rest) {
      std::int64_t key = static_cast<std::int64_t>(rest);
      if (key < sinks_) key += (sinks_ - key + stride_ - 1) / stride_ * stride_;
      for (; key < queries.end && !groups[rest].queries.empty(); key += stride_)
        groups[rest].runs.push_back({static_cast<std::int32_t>(key), static_cast<std::int32_t>(key + 1)});
    }
    return visited_by_groups({groups}, text.q.device());
  }

  std::int64_t stride_, window_, sinks_;
  std::vector<Range> distances_;
};

Result<std::shared_ptr<const Mechanism>> make_strided(const OptionValues& values) {
  HS_ASSIGN(std::vector<Range> distances, parse_spans(values.text("distances"), "distances"));
  return std::shared_ptr<const Mechanism>(std::make_shared<Strided>(values, std::move(distances)));
}

} // namespace

extern const MechanismDefinition strided = {
    .info =
        {.id = "strided",
         .title = "every stride-th token, or given distances",
         .what =
             "tokens at multiples of `stride` before it, at the given `distances`, the last `window` tokens and the "
             "first `sinks`",
         .cost = "O(T (T / stride + window)); with both strides and distances this form computes all scores",
         .reference = "Sparse Transformers, arXiv 1904.10509",
         .equals_full = "stride = 1, or window ≥ T",
         .training = "none, but a model that was trained with full attention was not made for it",
         .options = {{.name = "stride", .value = 16, .least = 0, .help = "tokens; 0: none"},
                     {.name = "distances", .value = "", .help = "distances, e.g. 1+2+4+8-15"},
                     {.name = "window", .value = 1, .least = 1, .help = "last tokens"},
                     {.name = "sinks", .value = 0, .least = 0, .help = "first tokens that stay"}}},
    .make = make_strided};

} // namespace headscope::mechanisms
