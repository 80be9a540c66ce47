// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/explain.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/traits.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t rows_at_once = 256;
constexpr std::size_t most_regions = 50000; // what can be drawn in time; later queries are left out

// 1 where a query visits a key [query, key], else 0.
at::Tensor visited(const Tile& tile, std::int64_t keys) {
  const at::Tensor all = over_all_keys(tile.scores, tile, keys, tile.are_weights ? 0.0 : not_visited)[0];
  return tile.are_weights ? all != 0.0 : all != not_visited;
}

// Collects regions row by row; what is the same for queries that follow each other becomes one.
class RegionRows {
public:
  // Runs of keys of the next queries, ascending; their queries are set here.
  void add(Range queries, const std::vector<Explanation::Region>& runs) {
    const auto same = [](const Explanation::Region& a, const Explanation::Region& b) {
      return a.key_begin == b.key_begin && a.key_end == b.key_end && a.value == b.value;
    };
    const bool follows = !open_.empty() && open_.front().query_end == queries.begin;
    if (follows && std::ranges::equal(open_, runs, same)) {
      for (Explanation::Region& region : open_)
        region.query_end = queries.end;
      return;
    }
    if (done_.size() < most_regions) done_.insert(done_.end(), open_.begin(), open_.end());
    open_ = runs;
    for (Explanation::Region& region : open_) {
      region.query_begin = queries.begin;
      region.query_end = queries.end;
    }
  }

  std::vector<Explanation::Region> take() {
    add({-1, -1}, {}); // what is open is done
    return std::move(done_);
  }

private:
  std::vector<Explanation::Region> done_, open_;
};

// Regions where x [query, unit] is not 0, with its values; the queries are from `first` on, a unit has `size` keys.
void add_units(RegionRows& rows, const at::Tensor& x, std::int64_t first, std::int64_t size, std::int64_t keys) {
  const at::Tensor values = x.to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t units = values.size(1);
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    const double* at = values.const_data_ptr<double>() + row * units;
    std::vector<Explanation::Region> runs;
    for (std::int64_t unit = 0; unit < units; ++unit) {
      if (at[unit] == 0.0) continue;
      const std::int64_t begin = unit * size, end = std::min(begin + size, keys);
      if (!runs.empty() && runs.back().key_end == begin && runs.back().value == at[unit])
        runs.back().key_end = end;
      else
        runs.push_back({0, 0, begin, end, at[unit]});
    }
    rows.add({first + row, first + row + 1}, runs);
  }
}

// The regions that queries from `first` on chose among units of `size` keys.
Explanation regions_of(const char* title, std::int64_t first, std::int64_t size, std::int64_t keys,
                       const UnitChoice& choice) {
  RegionRows rows;
  for (std::int64_t begin = std::min(first, keys); begin < keys; begin += rows_at_once)
    add_units(rows, choice({begin, std::min(begin + rows_at_once, keys)}), begin, size, keys);
  Explanation out;
  out.title = title;
  out.regions = rows.take();
  return out;
}

Explanation visited_keys(const Mechanism& mechanism, const Text& text, std::int64_t head) {
  const TileFunction tile = mechanism.open(text);
  return regions_of("Keys that are visited", 0, 1, text.keys(), [&](Range queries) {
    Tile some = gated(tile(queries), text.v);
    some.scores = some.scores.narrow(0, head, 1);
    if (some.index.defined()) some.index = some.index.narrow(0, head, 1);
    return visited(some, text.keys());
  });
}

} // namespace

std::vector<Explanation> explain_head(const Mechanism& mechanism, const Text& text, std::int64_t head) {
  std::vector<Explanation> all = {visited_keys(mechanism, text, head)};
  for (Explanation& each : mechanism.explain(text, head))
    all.push_back(std::move(each));
  return all;
}

Text of_head(const Text& text, std::int64_t head) {
  Text one = text;
  for (at::Tensor* x : {&one.q, &one.k, &one.v, &one.unrotated_q, &one.unrotated_k, &one.w_o})
    if (x->defined()) *x = x->narrow(0, head, 1);
  one.heads_are = {text.heads_are.empty() ? head : text.heads_are[static_cast<std::size_t>(head)]};
  return one;
}

std::vector<Explanation> explain_units(const Text& one, const ExplainedUnits& units, const UnitChoice& choice) {
  return {regions_of(units.title, units.first, units.size, one.keys(), choice),
          units_of(units.units, units.size, one.keys())};
}

Explanation units_of(const std::string& title, std::int64_t size, std::int64_t keys) {
  Explanation out;
  out.kind = ExplanationKind::boundaries;
  out.title = title;
  for (std::int64_t begin = size; begin < keys; begin += size)
    out.boundaries.push_back(begin);
  return out;
}

Explanation decay_by_distance(const Mechanism& mechanism, const Text& one) {
  const Tile tile = mechanism.open(one)({0, one.keys()});
  const at::Tensor pattern = over_all_keys(weights_of(tile), tile, one.keys(), 0.0);
  std::vector<double> mass;
  for (std::int64_t distance = 0; distance < one.keys(); ++distance)
    mass.push_back(pattern[0].diagonal(-distance).mean().item<double>());
  const double gamma = fit_decay(pattern).gamma.item<double>();
  double above = 0.0, below = 0.0; // least squares of the scale
  for (std::size_t i = 0; i < mass.size(); ++i) {
    above += mass[i] * std::pow(gamma, static_cast<double>(i));
    below += std::pow(gamma, 2.0 * static_cast<double>(i));
  }
  Explanation out;
  out.kind = ExplanationKind::numbers;
  out.title = "Mean weight by distance, and the decay that fits";
  out.by_distance = true;
  out.rows = {"mean weight", "decay"};
  out.values = {mass, {}};
  for (std::size_t i = 0; i < mass.size(); ++i)
    out.values[1].push_back(above / below * std::pow(gamma, static_cast<double>(i)));
  return out;
}

std::vector<double> numbers_of(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kCPU, at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

std::vector<std::int64_t> whole_numbers_of(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kCPU, at::kLong).contiguous();
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

} // namespace headscope::mechanisms
