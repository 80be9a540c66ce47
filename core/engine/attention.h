// SPDX-License-Identifier: GPL-3.0-or-later
// Attention as one replaceable component: q, k, v, positions and mask in; z and the requested observables out.
// Nothing of size query x key is kept unless a pattern or scores are asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace headscope {

// Which keys a query may see: those at or before its own slot, within the window, from key_begin on. A query
// in the padding sees itself, so that nothing becomes NaN. Right padding needs no mask, since it comes after every
// token.
struct AttentionMask {
  std::int64_t query_offset = 0;       // slot of the first query (tokens already in the KV cache)
  std::optional<std::int64_t> window;  // sliding window: key k is seen by query q when q - k < window
  std::vector<std::int64_t> key_begin; // per row: left padding; empty: 0
};

// Some query rows of the attention pattern, handed to an observer while they exist.
struct PatternTile {
  int layer = 0;
  std::int64_t query_begin = 0; // slot of the first query in the tile
  at::Tensor pattern;           // [batch, head_index, query_pos, key_pos], after interventions
};

// Receives the tiles of every layer it wants, on the engine's thread, and must not keep them.
struct AttentionObserver {
  std::function<bool(int layer)> wants;
  std::function<void(const PatternTile&)> tile;
};

using TensorEdit = std::function<at::Tensor(at::Tensor)>;

struct AttentionInput {
  int layer = 0;
  at::Tensor q; // [batch, pos, head_index, d_head], rotary applied
  at::Tensor k; // [batch, key_pos, kv_head_index, d_head], rotary applied
  at::Tensor v; // [batch, key_pos, kv_head_index, d_head]
  AttentionMask mask;
  double scale = 1.0;
  std::optional<double> softcap;
  bool need_scores = false;  // full scores asked for (captured or edited)
  bool need_pattern = false; // full pattern asked for (captured or edited)
  TensorEdit edit_scores;    // applied to the full scores when need_scores
  TensorEdit edit_pattern;   // applied to the full pattern when need_pattern
  // True for heads that attend uniformly in this call: bool [batch, pos, head_index], or undefined for none.
  at::Tensor uniform;
  const AttentionObserver* observer = nullptr;
};

// A replacement for attention must do everything that AttentionInput asks for: the mask, uniform heads, the edits where
// they are needed, and tiles for the observer. Called on the engine's thread, under autograd when gradients are taken.
class AttentionBackend {
public:
  virtual ~AttentionBackend() = default;
  virtual const char* name() const = 0;
  // Returns z [batch, pos, head_index, d_head].
  virtual at::Tensor run(const AttentionInput& input) const = 0;
};

// z and, for each query, the log of the sum of exp(score): float32 [batch, head_index, query_pos].
struct AttentionAndSums {
  at::Tensor z, log_sum_exp;
};
// Uses a kernel of torch's that computes these sums anyway where default_attention() would: on a GPU, for whole prompts
// without a window or padding, when nothing inside is read. Otherwise nullopt. z is the same as default_attention()'s.
std::optional<AttentionAndSums> attention_and_sums(const AttentionInput& input);

// Bool [1 or batch, 1, query_pos, key_pos]: true where a query of this run may not see the key.
at::Tensor hidden_keys(const AttentionInput& input);

// Picks by what is asked for: torch's fused attention when nothing inside it is read, tiles of query rows
// when an observer or a soft cap needs them, the full matrix only for need_scores or need_pattern.
const AttentionBackend& default_attention();

} // namespace headscope
