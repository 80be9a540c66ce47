// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/block_parts.h"

#include <ATen/ATen.h>

namespace headscope {

at::Tensor apply_activation(Activation activation, const at::Tensor& x) {
  switch (activation) {
  case Activation::gelu: return at::gelu(x);
  case Activation::gelu_tanh: return at::gelu(x, "tanh");
  case Activation::relu: return at::relu(x);
  case Activation::silu: return at::silu(x);
  }
  return x;
}

at::Tensor apply_mlp(const ModelConfig& config, const BlockWeights& block, const at::Tensor& x) {
  const at::Tensor in = at::linear(x, block.w_in, block.b_in);
  if (!config.gated_mlp) return at::linear(apply_activation(config.activation, in), block.w_out, block.b_out);
  const at::Tensor gate = apply_activation(config.activation, in.narrow(-1, 0, config.d_mlp));
  at::Tensor post = gate * in.narrow(-1, config.d_mlp, config.d_mlp);
  if (block.b_post.defined()) post = post + block.b_post;
  return at::linear(post, block.w_out, block.b_out);
}

} // namespace headscope
