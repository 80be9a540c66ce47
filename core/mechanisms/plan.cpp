// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/plan.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope::mechanisms {
namespace {

// Of the scores of a tile: on the CPU what a cache holds some of, on a GPU enough to fill it.
std::int64_t tile_bytes(const at::Tensor& q) { return std::int64_t{q.is_cuda() ? 512 : 32} << 20; }
// Of a tile, so that windows stay cheap.
std::int64_t most_rows(const at::Tensor& q) { return q.is_cuda() ? 1024 : 256; }

at::Tensor index_of(const std::vector<std::int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
}

// The heads that no part names.
std::vector<std::int64_t> other_heads(const std::vector<PlanPart>& parts, std::int64_t heads) {
  std::vector<bool> taken(static_cast<std::size_t>(heads));
  for (const PlanPart& part : parts)
    for (const std::int64_t head : part.heads)
      taken[static_cast<std::size_t>(head)] = true;
  std::vector<std::int64_t> others;
  for (std::int64_t head = 0; head < heads; ++head)
    if (!taken[static_cast<std::size_t>(head)]) others.push_back(head);
  return others;
}

std::vector<std::int64_t> kv_heads(const AttentionInput& in, const std::vector<std::int64_t>& heads) {
  const std::int64_t per_kv = in.q.size(2) / in.k.size(2);
  std::vector<std::int64_t> kv;
  for (const std::int64_t head : heads)
    kv.push_back(head / per_kv);
  return kv;
}

// The index of heads on an axis of x; undefined where that is all of them in their order, which needs no copy.
at::Tensor chosen_heads(const std::vector<std::int64_t>& heads, const at::Tensor& x) {
  bool all = std::ssize(heads) == x.size(2);
  for (std::size_t i = 0; i < heads.size() && all; ++i)
    all = heads[i] == static_cast<std::int64_t>(i);
  return all ? at::Tensor{} : index_of(heads, x.device());
}

// Puts heads that were computed part by part, in the order of `computed`, into the order of the model.
at::Tensor in_model_order(const at::Tensor& x, std::int64_t axis, const std::vector<std::int64_t>& computed) {
  std::vector<std::int64_t> place(computed.size());
  for (std::size_t i = 0; i < computed.size(); ++i)
    place[static_cast<std::size_t>(computed[i])] = static_cast<std::int64_t>(i);
  if (std::is_sorted(place.begin(), place.end())) return x;
  return x.index_select(axis, index_of(place, x.device()));
}

// Fills the queries of a run that are padding: they see themselves alone, so that nothing becomes NaN.
at::Tensor with_padding(const at::Tensor& x, const at::Tensor& of_padding, std::int64_t begin, std::int64_t axis) {
  const std::int64_t count = x.size(axis), all = of_padding.size(axis);
  if (count == all) return x;
  return at::cat({of_padding.narrow(axis, 0, begin), x, of_padding.narrow(axis, begin + count, all - begin - count)},
                 axis);
}

// Counts what mixing values by a pattern costs: all of the tile's are read, whatever their weight.
void count_values(const Text& text, const at::Tensor& weights, const at::Tensor& v) {
  if (!text.cost) return;
  text.cost->attended += at::count_nonzero(weights).item<std::int64_t>();
  text.cost->bytes += weights.numel() * v.size(2) * static_cast<std::int64_t>(v.element_size());
}

// z of one row for some heads, [head, query of the run, d_head].
at::Tensor z_of_row(const AttentionInput& in, const AttentionRows& rows, std::int64_t row, const PlanPart& part) {
  const OpenPart open(in, rows, row, part);
  const auto with_own = [&](const at::Tensor& z) { // padding sees itself
    if (z.defined() && z.size(1) == in.q.size(1)) return z;
    const at::Tensor own = in.v[row]
                               .narrow(0, in.mask.query_offset, in.q.size(1))
                               .index_select(1, index_of(kv_heads(in, part.heads), in.v.device()))
                               .transpose(0, 1);
    return z.defined() ? with_padding(z, own, open.row.begin, 1) : own;
  };
  if (open.row.count == 0) return with_own({});
  std::vector<at::Tensor> tiles;
  if (open.output)
    if (const at::Tensor z = open.output({open.row.first, open.row.first + open.row.count}); z.defined())
      return with_own(z);
  for_each_tile(open.row, [&](Range queries) {
    const Tile tile = open.tile(queries);
    const at::Tensor v = values_of(tile, open.row.text.v);
    const at::Tensor weights = weights_of(tile);
    count_values(open.row.text, weights, v);
    at::Tensor z = at::matmul(weights.to(v.scalar_type()), v);
    if (tile.gate) z = z * tile.gate(z).to(z.scalar_type()).unsqueeze(-1);
    tiles.push_back(std::move(z));
  });
  return with_own(tiles.size() == 1 ? tiles.front() : at::cat(tiles, 1));
}

// Full attention of some heads, as fast as everywhere: [batch, pos, head, d_head].
at::Tensor default_heads(const AttentionInput& in, const std::vector<std::int64_t>& heads) {
  AttentionInput some = in;
  some.q = in.q.index_select(2, index_of(heads, in.q.device()));
  const at::Tensor kv = index_of(kv_heads(in, heads), in.k.device());
  some.k = in.k.index_select(2, kv);
  some.v = in.v.index_select(2, kv);
  return default_attention().run(some);
}

// Scores, or weights where `are_weights`, over all slots for some of the run's queries: [head, query, slot], of one row
// and part.
struct SlotScores {
  at::Tensor scores;
  bool are_weights = false;
};
SlotScores slot_scores(const AttentionInput& in, const OpenPart& part, Weights kind, Range queries) {
  const RowText& row = part.row;
  const std::int64_t slots = in.k.size(1), heads = row.text.heads();
  const bool are_weights = kind != Weights::softmax;
  const double nothing = are_weights ? 0.0 : not_visited;
  const at::Tensor out = at::full({heads, queries.count(), slots}, nothing, in.q.options().dtype(at::kFloat));
  const at::Tensor slot = at::arange(slots, out.options().dtype(at::kLong));
  const at::Tensor own =
      at::arange(in.mask.query_offset + queries.begin, in.mask.query_offset + queries.end, slot.options());
  const at::Tensor itself = out.masked_fill(slot == own.unsqueeze(1), are_weights ? 1.0 : 0.0);
  const Range real{std::max(queries.begin, row.begin), std::min(queries.end, row.begin + row.count)};
  if (real.count() <= 0) return {itself, are_weights};
  const std::int64_t shift = row.first - row.begin; // from the run's query to the text's position
  Tile tile = part.tile({real.begin + shift, real.end + shift});
  if (are_weights) {
    tile = gated(tile, row.text.v);
    tile.scores = weights_of(tile);
  }
  const std::int64_t first_slot = in.mask.query_offset - shift; // of position 0
  const at::Tensor seen = over_all_keys(tile.scores, tile, row.text.keys(), nothing);
  const at::Tensor all = at::constant_pad_nd(seen, {first_slot, slots - first_slot - seen.size(2)}, nothing);
  return {with_padding(all, itself, real.begin - queries.begin, 1), are_weights};
}

} // namespace

RowText row_text(const AttentionInput& in, const AttentionRows& rows, std::int64_t row,
                 const std::vector<std::int64_t>& heads) {
  const std::int64_t begin = in.mask.key_begin.empty() ? 0 : in.mask.key_begin[static_cast<std::size_t>(row)];
  const std::int64_t end = rows.end.empty() ? in.k.size(1) : rows.end[static_cast<std::size_t>(row)];
  const std::int64_t offset = in.mask.query_offset, first = std::max(offset, begin);
  RowText out;
  out.begin = first - offset;
  out.count = std::max<std::int64_t>(0, std::min(offset + in.q.size(1), end) - first);
  out.first = first - begin;
  const at::Tensor q_heads = chosen_heads(heads, in.q), kv = chosen_heads(kv_heads(in, heads), in.k);
  const auto of_row = [&](const at::Tensor& x, std::int64_t at, std::int64_t count, const at::Tensor& which) {
    const at::Tensor some = x[row].narrow(0, at, count);
    return (which.defined() ? some.index_select(1, which) : some).transpose(0, 1).contiguous();
  };
  if (out.count == 0) return out;
  Text& text = out.text;
  const bool all_queries = rows.all_q.defined();
  text.first = all_queries ? 0 : out.first;
  const auto queries_of = [&](const at::Tensor& all) {
    return of_row(all, begin + text.first, (all_queries ? end - begin : out.count), q_heads);
  };
  text.q = all_queries ? queries_of(rows.all_q) : of_row(in.q, out.begin, out.count, q_heads);
  text.k = of_row(in.k, begin, end - begin, kv);
  text.v = of_row(in.v, begin, end - begin, kv);
  text.scale = in.scale;
  text.softcap = in.softcap;
  text.window = in.mask.window;
  text.cost = rows.cost;
  if (rows.w_o.defined())
    text.w_o = rows.w_o.view({rows.w_o.size(0), in.q.size(2), in.q.size(3)})
                   .index_select(1, index_of(heads, in.q.device()))
                   .permute({1, 2, 0});
  text.rotate = [&rows, row](const at::Tensor& x, const at::Tensor& positions) {
    return rows.rotate(x, positions, row);
  };
  if (!rows.unrotated_q.defined()) return out;
  text.unrotated_q = queries_of(rows.unrotated_q);
  text.unrotated_k = of_row(rows.unrotated_k, begin, end - begin, kv);
  return out;
}

OpenPart::OpenPart(const AttentionInput& in, const AttentionRows& rows, std::int64_t at, const PlanPart& part)
    : row(row_text(in, rows, at, part.heads)) {
  if (row.count == 0) return;
  row.text.layer = in.layer;
  row.text.heads_are = part.heads;
  part.mechanism->prepare(row.text);
  output = part.mechanism->open_output(row.text);
  tile = [this, mechanism = part.mechanism, opened = TileFunction()](Range queries) mutable {
    if (!opened) opened = mechanism->open(row.text); // not where `output` does all
    return opened(queries);
  };
}

void for_each_tile(const RowText& row, const std::function<void(Range)>& tile) {
  const std::int64_t row_bytes = row.text.heads() * row.text.keys() * 4;
  const std::int64_t step = std::clamp<std::int64_t>(tile_bytes(row.text.q) / row_bytes, 1, most_rows(row.text.q));
  const std::int64_t end = row.first + row.count;
  for (std::int64_t begin = row.first; begin < end; begin += step)
    tile({begin, std::min(begin + step, end)});
}

namespace {

// Adds a head to the parts of its layer, in the part of its mechanism.
void add_head(std::vector<PlanPart>& layer, const MechanismSpec& spec, std::int64_t head) {
  if (layer.empty() || layer.back().mechanism != spec.mechanism)
    layer.push_back({{spec.definition, &spec.definition->info}, spec.mechanism, {}});
  layer.back().heads.push_back(head);
}

} // namespace

Result<std::shared_ptr<const AttentionPlan>> AttentionPlan::parse(const std::string& text, const ModelConfig& config,
                                                                  const MechanismList& list) {
  HS_ASSIGN(const std::vector<MechanismSpec> specs, parse_specs(text, list));
  std::vector<std::vector<PlanPart>> parts(static_cast<std::size_t>(config.n_layers));
  std::vector<HeadId> named;
  for (const MechanismSpec& spec : specs) {
    const std::string in = " (in '" + spec.text + "')";
    auto heads = parse_heads(spec.where, config.n_layers, config.n_heads);
    if (!heads.ok()) return make_error(heads.error().code, heads.error().message + in, {}, "heads");
    if (const Status fits = spec.mechanism->fits(config); !fits.ok())
      return make_error(fits.error().code, spec.definition->info.id + (" " + fits.error().message) + in,
                        fits.error().file, fits.error().field);
    for (const HeadId& head : *heads) {
      if (std::find(named.begin(), named.end(), head) != named.end())
        return make_error(ErrorCode::invalid_argument,
                          "head " + head_name(head) + " has two mechanisms (in '" + text + "')", {}, "heads");
      named.push_back(head);
      if (spec.definition->info.id != std::string("full"))
        add_head(parts[static_cast<std::size_t>(head.layer)], spec, head.head);
    }
  }
  return std::make_shared<const AttentionPlan>(text, std::move(parts), config.n_heads);
}

LayerNeeds AttentionPlan::needs(int layer) const {
  LayerNeeds needs;
  std::int64_t heads = 0, reach = 0;
  bool bounded = true;
  for (const PlanPart& part : parts(layer)) {
    const MechanismInfo& info = *part.info;
    const bool before_rotary = part.mechanism->before_rotary();
    const bool harder = info.queries > needs.queries || (before_rotary && !needs.before_rotary) ||
                        (info.weights != Weights::softmax && needs.has_scores) ||
                        (!info.differentiable && needs.differentiable);
    if (needs.mechanism.empty() || harder) needs.mechanism = info.id;
    needs.queries = std::max(needs.queries, info.queries);
    needs.before_rotary = needs.before_rotary || before_rotary;
    needs.has_scores = needs.has_scores && info.weights == Weights::softmax;
    needs.differentiable = needs.differentiable && info.differentiable;
    needs.signed_pattern = needs.signed_pattern || info.weights == Weights::signed_;
    heads += std::ssize(part.heads);
    bounded = bounded && part.mechanism->reach();
    reach = std::max(reach, part.mechanism->reach().value_or(0));
  }
  if (heads > 0 && heads == n_heads_ && bounded) needs.reach = reach;
  return needs;
}

at::Tensor AttentionPlan::run_rows(const AttentionInput& in, const AttentionRows& rows) const {
  const LayerNeeds needed = needs(in.layer);
  if ((needed.keeps_queries() && !rows.all_q.defined() && in.mask.query_offset > 0) ||
      (needed.before_rotary && !rows.unrotated_q.defined()))
    throw ErrorException(make_error(ErrorCode::unsupported,
                                    needed.mechanism + " in layer " + std::to_string(in.layer) +
                                        " needs all queries, and q and k before the rotary step where it places keys",
                                    {}, "attention"));
  const bool seen = in.need_scores || in.need_pattern || (in.observer && in.observer->tile) || in.uniform.defined();
  return seen ? run_seen(in, rows) : run_unseen(in, rows);
}

at::Tensor AttentionPlan::run_unseen(const AttentionInput& in, const AttentionRows& rows) const {
  const std::int64_t batch = in.q.size(0), heads = in.q.size(2);
  std::vector<at::Tensor> by_part;
  std::vector<std::int64_t> computed;
  for (const PlanPart& part : parts(in.layer)) {
    std::vector<at::Tensor> z;
    for (std::int64_t row = 0; row < batch; ++row)
      z.push_back(z_of_row(in, rows, row, part).transpose(0, 1));
    by_part.push_back(batch == 1 ? z.front().unsqueeze(0) : at::stack(z));
    computed.insert(computed.end(), part.heads.begin(), part.heads.end());
  }
  if (const std::vector<std::int64_t> others = other_heads(parts(in.layer), heads); !others.empty()) {
    by_part.push_back(default_heads(in, others));
    computed.insert(computed.end(), others.begin(), others.end());
  }
  return in_model_order(by_part.size() == 1 ? by_part.front() : at::cat(by_part, 2), 2, computed);
}

namespace {

// What some queries of all rows attend to: [batch, head_index, query, slot].
struct SeenScores {
  at::Tensor scores;
  at::Tensor are_weights; // bool [head_index]; undefined: nowhere
};

// z and the pattern of some of the run's queries, with everything that was asked for. `values`: [batch, head_index,
// slot, d_head] where a mechanism has values of its own.
at::Tensor seen_tile(const AttentionInput& in, SeenScores seen, Range queries, const at::Tensor& values) {
  at::Tensor scores = std::move(seen.scores);
  if (in.need_scores && in.edit_scores) scores = in.edit_scores(scores);
  at::Tensor pattern = at::softmax(scores, -1, at::kFloat);
  if (seen.are_weights.defined()) pattern = at::where(seen.are_weights.view({-1, 1, 1}), scores, pattern);
  pattern = pattern.to(in.q.scalar_type());
  if (in.uniform.defined()) {
    AttentionInput some = in;
    some.q = in.q.narrow(1, queries.begin, queries.count());
    some.mask.query_offset += queries.begin;
    const at::Tensor visible = hidden_keys(some).logical_not().to(at::kFloat);
    const at::Tensor uniform = visible / visible.sum(-1, true); // over all keys that the model itself shows
    const at::Tensor which = in.uniform.narrow(1, queries.begin, queries.count()).transpose(1, 2).unsqueeze(-1);
    pattern = at::where(which, uniform.to(pattern.scalar_type()), pattern);
  }
  if (in.need_pattern && in.edit_pattern) pattern = in.edit_pattern(pattern);
  if (in.observer && in.observer->tile)
    in.observer->tile({in.layer, in.mask.query_offset + queries.begin, pattern.detach()});
  if (values.defined()) return at::matmul(pattern, values).transpose(1, 2);
  const std::int64_t kv = in.v.size(2), heads = pattern.size(1);
  const at::Tensor grouped = pattern.reshape({pattern.size(0), kv, heads / kv * queries.count(), pattern.size(3)});
  return at::matmul(grouped, in.v.transpose(1, 2))
      .view({pattern.size(0), heads, queries.count(), in.v.size(3)})
      .transpose(1, 2);
}

// All heads of a layer, of which each belongs to one part; the last part are those at full attention.
class SeenLayer {
public:
  SeenLayer(const AttentionInput& in, const AttentionRows& rows, std::vector<PlanPart> parts)
      : in_(in), parts_(std::move(parts)) {
    for (std::int64_t row = 0; row < in.q.size(0); ++row)
      for (const PlanPart& part : parts_)
        open_.push_back(std::make_unique<OpenPart>(in, rows, row, part));
    for (const PlanPart& part : parts_)
      order_.insert(order_.end(), part.heads.begin(), part.heads.end());
  }

  SeenScores scores(Range queries) const {
    std::vector<at::Tensor> by_row, are_weights;
    for (std::int64_t row = 0; row < in_.q.size(0); ++row) {
      std::vector<at::Tensor> by_part;
      are_weights.clear();
      for (std::size_t part = 0; part < parts_.size(); ++part) {
        const SlotScores found = slot_scores(in_, open(row, part), parts_[part].info->weights, queries);
        by_part.push_back(found.scores);
        are_weights.push_back(at::full({found.scores.size(0)}, found.are_weights, at::kBool));
      }
      by_row.push_back(in_model_order(at::cat(by_part), 0, order_));
    }
    SeenScores out{at::stack(by_row), {}};
    const at::Tensor which = in_model_order(at::cat(are_weights), 0, order_);
    if (which.any().item<bool>()) out.are_weights = which.to(in_.q.device());
    return out;
  }

  // Values by head where a mechanism has its own, [batch, head_index, slot, d_head]; else undefined.
  at::Tensor values() const {
    const bool own =
        std::any_of(open_.begin(), open_.end(), [](const auto& each) { return each->row.text.own_values; });
    if (!own) return {};
    std::vector<at::Tensor> by_row;
    for (std::int64_t row = 0; row < in_.q.size(0); ++row) {
      std::vector<at::Tensor> by_part;
      for (std::size_t part = 0; part < parts_.size(); ++part)
        by_part.push_back(slot_values(row, open(row, part).row, parts_[part].heads));
      by_row.push_back(in_model_order(at::cat(by_part), 0, order_));
    }
    return at::stack(by_row);
  }

private:
  const OpenPart& open(std::int64_t row, std::size_t part) const {
    return *open_[static_cast<std::size_t>(row) * parts_.size() + part];
  }

  at::Tensor slot_values(std::int64_t row, const RowText& text, const std::vector<std::int64_t>& heads) const {
    const at::Tensor all = in_.v[row].index_select(1, index_of(kv_heads(in_, heads), in_.v.device())).transpose(0, 1);
    if (!text.text.own_values) return all;
    const std::int64_t begin = in_.mask.query_offset + text.begin - text.first, end = begin + text.text.keys();
    return at::cat({all.narrow(1, 0, begin), text.text.v, all.narrow(1, end, all.size(1) - end)}, 1);
  }

  const AttentionInput& in_;
  std::vector<PlanPart> parts_;
  std::vector<std::unique_ptr<OpenPart>> open_; // [row, part]
  std::vector<std::int64_t> order_;             // the heads part after part
};

} // namespace

at::Tensor AttentionPlan::run_seen(const AttentionInput& in, const AttentionRows& rows) const {
  const std::int64_t heads = in.q.size(2), count = in.q.size(1);
  std::vector<PlanPart> all = parts(in.layer);
  if (const std::vector<std::int64_t> others = other_heads(all, heads); !others.empty()) {
    const MechanismDefinition& full = full_attention();
    all.push_back({{std::shared_ptr<void>(), &full.info}, full.make({}).value(), others});
  }
  const SeenLayer layer(in, rows, std::move(all));
  const at::Tensor values = layer.values();
  const bool whole = in.need_scores || in.need_pattern; // edits see every query
  const std::int64_t row_bytes = in.q.size(0) * heads * in.k.size(1) * 4;
  const std::int64_t step = whole ? count : std::clamp<std::int64_t>(tile_bytes(in.q) / row_bytes, 1, count);
  std::vector<at::Tensor> z;
  for (std::int64_t begin = 0; begin < count; begin += step) {
    const Range queries{begin, std::min(begin + step, count)};
    z.push_back(seen_tile(in, layer.scores(queries), queries, values));
  }
  return z.size() == 1 ? z.front() : at::cat(z, 1);
}

} // namespace headscope::mechanisms
