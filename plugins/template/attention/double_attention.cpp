// SPDX-License-Identifier: GPL-3.0-or-later
// An attention backend to start from: attention by its definition, in double precision, with the whole pattern in
// memory. It is slow, and useful as a reference for a faster one.
#include <limits>

#include "plugins/sdk/attention_plugin.h"
#include "plugins/sdk/plugin.h"

namespace {

using namespace headscope;

class DoubleAttention : public AttentionPlugin {
public:
  const char* name() const override { return "double"; }
  std::string title() const override { return "Attention in double precision"; }
  std::string description() const override { return "softmax(q k^T scale) v in float64, the whole pattern at once"; }

  at::Tensor run(const AttentionInput& in) const override {
    const at::ScalarType dtype = in.q.scalar_type();
    const at::Tensor q = heads_first(in.q, in), k = heads_first(in.k, in), v = heads_first(in.v, in);
    const at::Tensor hidden = hidden_keys(in); // [1 or batch, 1, query, key]

    at::Tensor scores = q.matmul(k.transpose(2, 3)).mul(in.scale); // [batch, head_index, query, key]
    if (in.softcap) scores = scores.div(*in.softcap).tanh().mul(*in.softcap);
    scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
    if (in.need_scores && in.edit_scores) scores = in.edit_scores(scores.to(dtype)).to(at::kDouble);

    at::Tensor pattern = scores.softmax(-1);
    if (in.uniform.defined()) { // heads that attend uniformly in this run, query by query
      const at::Tensor seen = hidden.logical_not().to(at::kDouble);
      pattern = seen.div(seen.sum(-1, true)).where(in.uniform.transpose(1, 2).unsqueeze(-1), pattern);
    }
    if (in.need_pattern && in.edit_pattern) pattern = in.edit_pattern(pattern.to(dtype)).to(at::kDouble);
    if (in.observer && in.observer->tile)
      in.observer->tile({in.layer, in.mask.query_offset, pattern.detach().to(dtype)});

    return pattern.matmul(v).transpose(1, 2).to(dtype); // [batch, pos, head_index, d_head]
  }

private:
  // Reshapes to [batch, head_index, pos, d_head] in double; a shared K/V head is repeated for each of its query heads.
  static at::Tensor heads_first(const at::Tensor& x, const AttentionInput& in) {
    return x.repeat_interleave(in.q.size(2) / x.size(2), 2).transpose(1, 2).to(at::kDouble);
  }
};

} // namespace

HEADSCOPE_ATTENTION_PLUGIN(std::make_unique<DoubleAttention>())
