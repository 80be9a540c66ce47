// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <c10/core/GradMode.h>

namespace headscope {
namespace {

// The most bytes that one tile of scores may take; attention in a run needs the memory of a few such tiles.
constexpr std::int64_t tile_bytes = std::int64_t{32} << 20;
// How many query rows share one mask in the fused path.
constexpr std::int64_t masked_rows = 512;

struct Tile {
  std::int64_t begin = 0, count = 0;         // queries within the run
  std::int64_t key_begin = 0, key_count = 0; // slots that any of them may see
};

Tile tile_at(const AttentionInput& in, std::int64_t begin, std::int64_t count) {
  Tile tile{begin, count, 0, in.mask.query_offset + begin + count};
  if (in.mask.window) tile.key_begin = std::max<std::int64_t>(0, in.mask.query_offset + begin - *in.mask.window + 1);
  tile.key_count -= tile.key_begin;
  return tile;
}

// Bool [1 or batch, 1, query, key]: true where a query may not see the key.
at::Tensor hidden_keys(const AttentionInput& in, const Tile& tile) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(in.q.device());
  const std::int64_t first = in.mask.query_offset + tile.begin;
  const at::Tensor query = at::arange(first, first + tile.count, options).view({1, 1, tile.count, 1});
  const at::Tensor key =
      at::arange(tile.key_begin, tile.key_begin + tile.key_count, options).view({1, 1, 1, tile.key_count});
  at::Tensor hidden = key > query;
  if (in.mask.window) hidden = hidden.logical_or(query - key >= *in.mask.window);
  if (in.mask.key_begin.empty()) return hidden;
  const at::Tensor begin = at::tensor(in.mask.key_begin, at::kLong).to(in.q.device()).view({-1, 1, 1, 1});
  return hidden.logical_or((key < begin).logical_and(key != query));
}

// Views as [batch, heads, pos, d].
at::Tensor heads_first(const at::Tensor& x) { return x.transpose(1, 2); }

// ---- Dense: rows of scores in tiles.

// Scores [batch, head_index, query, key]; grouped queries multiply their shared K/V head at once.
at::Tensor grouped_scores(const at::Tensor& q, const at::Tensor& k) {
  const std::int64_t batch = q.size(0), heads = q.size(1), rows = q.size(2), d = q.size(3), kv = k.size(1);
  return at::matmul(q.reshape({batch, kv, heads / kv * rows, d}), k.transpose(2, 3))
      .view({batch, heads, rows, k.size(2)});
}

at::Tensor grouped_output(const at::Tensor& pattern, const at::Tensor& v) {
  const std::int64_t batch = pattern.size(0), heads = pattern.size(1), rows = pattern.size(2), kv = v.size(1);
  return at::matmul(pattern.reshape({batch, kv, heads / kv * rows, pattern.size(3)}), v)
      .view({batch, heads, rows, v.size(3)});
}

at::Tensor uniform_pattern(const at::Tensor& hidden, at::ScalarType dtype) {
  const at::Tensor seen = hidden.logical_not().to(at::kFloat);
  return (seen / seen.sum(-1, true)).to(dtype);
}

// Keys outside the tile's range get weight zero, so that observers always see every key slot.
at::Tensor with_all_keys(const at::Tensor& x, const Tile& tile, std::int64_t keys, double fill) {
  if (tile.key_count == keys) return x;
  at::DimVector sizes(x.sizes());
  sizes.back() = keys;
  at::Tensor all = at::full(sizes, fill, x.options());
  all.narrow(-1, tile.key_begin, tile.key_count).copy_(x);
  return all;
}

at::Tensor dense_tile(const AttentionInput& in, const Tile& tile, bool whole) {
  const at::Tensor q = heads_first(in.q.narrow(1, tile.begin, tile.count));
  const at::Tensor k = heads_first(in.k.narrow(1, tile.key_begin, tile.key_count));
  const at::Tensor v = heads_first(in.v.narrow(1, tile.key_begin, tile.key_count));
  const at::Tensor hidden = hidden_keys(in, tile);
  at::Tensor scores = grouped_scores(q, k) * in.scale;
  if (in.softcap) scores = at::tanh(scores / *in.softcap) * *in.softcap;
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  if (whole && in.need_scores && in.edit_scores) scores = in.edit_scores(scores);
  at::Tensor pattern = at::softmax(scores, -1, at::kFloat).to(in.q.scalar_type());
  if (in.uniform.defined()) {
    const at::Tensor rows = in.uniform.narrow(1, tile.begin, tile.count).transpose(1, 2).unsqueeze(-1);
    pattern = at::where(rows, uniform_pattern(hidden, pattern.scalar_type()), pattern);
  }
  if (whole && in.need_pattern && in.edit_pattern) pattern = in.edit_pattern(pattern);
  if (in.observer && in.observer->tile)
    in.observer->tile(
        {in.layer, in.mask.query_offset + tile.begin, with_all_keys(pattern.detach(), tile, in.k.size(1), 0.0)});
  return heads_first(grouped_output(pattern, v));
}

class DenseAttention : public AttentionBackend {
public:
  const char* name() const override { return "dense"; }

  at::Tensor run(const AttentionInput& in) const override {
    const std::int64_t rows = in.q.size(1);
    if (in.need_scores || in.need_pattern) {
      Tile whole{0, rows, 0, in.k.size(1)}; // the edits see every key
      return dense_tile(in, whole, true);
    }
    const std::int64_t row_bytes = in.q.size(0) * in.q.size(2) * in.k.size(1) * 4;
    const std::int64_t step = std::clamp<std::int64_t>(tile_bytes / std::max<std::int64_t>(row_bytes, 1), 1, rows);
    if (step == rows) return dense_tile(in, tile_at(in, 0, rows), false);
    std::vector<at::Tensor> parts;
    for (std::int64_t begin = 0; begin < rows; begin += step)
      parts.push_back(dense_tile(in, tile_at(in, begin, std::min(step, rows - begin)), false));
    return at::cat(parts, 1);
  }
};

// ---- Fused: torch's attention, which never holds the scores.

// The mean of v over the keys that each query sees, from running sums: [batch, pos, head_index, d_head].
at::Tensor uniform_output(const AttentionInput& in) {
  const std::int64_t batch = in.v.size(0), keys = in.v.size(1), rows = in.q.size(1);
  const auto options = at::TensorOptions().dtype(at::kLong).device(in.v.device());
  const at::Tensor query = at::arange(in.mask.query_offset, in.mask.query_offset + rows, options).view({1, rows});
  at::Tensor first = at::zeros({1, rows}, options);
  if (in.mask.window) first = at::clamp_min(query - (*in.mask.window - 1), 0);
  if (!in.mask.key_begin.empty()) {
    const at::Tensor begin = at::tensor(in.mask.key_begin, at::kLong).to(in.v.device()).view({-1, 1});
    first = at::minimum(at::maximum(first, begin), query); // a query in the padding sees itself
  }
  const at::Tensor zero = at::zeros({batch, 1, in.v.size(2), in.v.size(3)}, in.v.options().dtype(at::kDouble));
  const at::Tensor sums = at::cat({zero, in.v.to(at::kDouble).cumsum(1)}, 1).narrow(1, 0, keys + 1);
  const auto at_slots = [&](const at::Tensor& slots) {
    return sums.gather(
        1, slots.expand({batch, rows}).view({batch, rows, 1, 1}).expand({batch, rows, in.v.size(2), in.v.size(3)}));
  };
  const at::Tensor count = (query - first + 1).view({-1, rows, 1, 1});
  const at::Tensor mean = ((at_slots(query + 1) - at_slots(first)) / count).to(in.v.scalar_type());
  return mean.repeat_interleave(in.q.size(2) / in.v.size(2), 2);
}

// Repeats K/V heads so that every query head has one; a view where their numbers are equal.
at::Tensor per_query_head(const at::Tensor& x, std::int64_t heads) {
  const std::int64_t kv = x.size(1);
  if (kv == heads) return x;
  return x.unsqueeze(2)
      .expand({x.size(0), kv, heads / kv, x.size(2), x.size(3)})
      .reshape({x.size(0), heads, x.size(2), x.size(3)});
}

// q, k and v with the axes that torch's attention wants: [batch, head_index, pos, d_head].
struct HeadsFirst {
  HeadsFirst(const AttentionInput& in, const Tile& tile)
      : q(heads_first(in.q.narrow(1, tile.begin, tile.count))),
        k(per_query_head(heads_first(in.k.narrow(1, tile.key_begin, tile.key_count)), in.q.size(2))),
        v(per_query_head(heads_first(in.v.narrow(1, tile.key_begin, tile.key_count)), in.q.size(2))) {}

  at::Tensor q, k, v;
};

at::Tensor fused(const AttentionInput& in, const Tile& tile, const std::optional<at::Tensor>& mask, bool causal) {
  const HeadsFirst x(in, tile);
  return heads_first(at::scaled_dot_product_attention(x.q, x.k, x.v, mask, 0.0, causal, in.scale));
}

// Whether anything is read or changed inside attention that the fused kernel does not show.
bool looks_inside(const AttentionInput& in) {
  return in.need_scores || in.need_pattern || in.softcap || (in.observer && in.observer->tile);
}

// Whether query i sees exactly the keys up to i.
bool plain_prompt(const AttentionInput& in) {
  const bool windowed = in.mask.window && *in.mask.window < in.k.size(1);
  return !windowed && in.mask.key_begin.empty() && in.mask.query_offset == 0;
}

class FusedAttention : public AttentionBackend {
public:
  const char* name() const override { return "fused"; }

  at::Tensor run(const AttentionInput& in) const override {
    at::Tensor z = attend(in);
    if (!in.uniform.defined()) return z;
    return at::where(in.uniform.unsqueeze(-1), uniform_output(in), z);
  }

private:
  static at::Tensor attend(const AttentionInput& in) {
    const std::int64_t rows = in.q.size(1), keys = in.k.size(1);
    const bool windowed = in.mask.window && *in.mask.window < keys;
    if (plain_prompt(in)) return fused(in, {0, rows, 0, keys}, std::nullopt, rows > 1);
    if (!windowed && in.mask.key_begin.empty() && rows == 1) return fused(in, {0, 1, 0, keys}, std::nullopt, false);
    std::vector<at::Tensor> parts;
    for (std::int64_t begin = 0; begin < rows; begin += masked_rows) {
      const Tile tile = tile_at(in, begin, std::min(masked_rows, rows - begin));
      parts.push_back(fused(in, tile, hidden_keys(in, tile).logical_not(), false));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
  }
};

class DefaultAttention : public AttentionBackend {
public:
  const char* name() const override { return "default"; }

  at::Tensor run(const AttentionInput& in) const override {
    if (looks_inside(in)) return dense_.run(in);
    return fused_.run(in);
  }

private:
  DenseAttention dense_;
  FusedAttention fused_;
};

} // namespace

std::optional<AttentionAndSums> attention_and_sums(const AttentionInput& in) {
  const std::int64_t rows = in.q.size(1);
  const bool differentiated = c10::GradMode::is_enabled() && in.q.requires_grad();
  const bool applies = in.q.is_cuda() && rows > 1 && rows == in.k.size(1) && plain_prompt(in) && !looks_inside(in) &&
                       !in.uniform.defined() && !differentiated;
  if (!applies) return std::nullopt;
  const HeadsFirst x(in, {0, rows, 0, rows});
  const auto both = [&](const auto& made) {
    at::Tensor sums = std::get<1>(made); // some kernels add an axis, or fill the last tile
    if (sums.dim() == 4) sums = sums.squeeze(-1);
    return AttentionAndSums{heads_first(std::get<0>(made)), sums.narrow(2, 0, rows)};
  };
  switch (static_cast<at::SDPBackend>(at::_fused_sdp_choice(x.q, x.k, x.v, {}, 0.0, true, in.scale))) {
  case at::SDPBackend::cudnn_attention:
    return both(at::_scaled_dot_product_cudnn_attention(x.q, x.k, x.v, {}, true, 0.0, true, false, in.scale));
  case at::SDPBackend::flash_attention:
    return both(at::_scaled_dot_product_flash_attention(x.q, x.k, x.v, 0.0, true, false, in.scale));
  case at::SDPBackend::efficient_attention:
    return both(at::_scaled_dot_product_efficient_attention(x.q, x.k, x.v, {}, true, 0.0, true, in.scale));
  default: return std::nullopt;
  }
}

at::Tensor hidden_keys(const AttentionInput& in) { return hidden_keys(in, {0, in.q.size(1), 0, in.k.size(1)}); }

const AttentionBackend& default_attention() {
  static const DefaultAttention backend;
  return backend;
}

} // namespace headscope
