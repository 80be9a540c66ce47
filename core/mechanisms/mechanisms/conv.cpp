// SPDX-License-Identifier: GPL-3.0-or-later
// RCMHA's convolution: q, k and v are mixed with those of the two positions before, channel by channel.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/base/text_file.h"
#include "core/mechanisms/conv_kernels.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

// x [head, pos, d_head] with the kernel's weights of [before last, last, own].
at::Tensor mixed(const at::Tensor& x, const ConvKernel& kernel) {
  const std::int64_t pos = x.size(1);
  at::Tensor out = at::zeros_like(x);
  for (std::int64_t back = 0; back < 3; ++back) {
    const at::Tensor weights = at::tensor(kernel.weights(2 - back, x.size(2)), x.options());
    if (pos > back) out = out + at::constant_pad_nd(x.narrow(1, 0, pos - back), {0, 0, back, 0}) * weights;
  }
  return out;
}

Rows plainly_mixed(const Rows& x, const ConvKernel& kernel) {
  Rows out(x.size(), Vector(x.front().size(), 0.0));
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t back = 0; back <= std::min<std::size_t>(i, 2); ++back) {
      const auto weights = kernel.weights(2 - static_cast<std::int64_t>(back), std::ssize(x.front()));
      for (std::size_t e = 0; e < x[i].size(); ++e)
        out[i][e] += weights[e] * x[i - back][e];
    }
  return out;
}

class Conv : public Mechanism {
public:
  explicit Conv(ConvKernels kernels) : kernels_(std::move(kernels)) {}

  void prepare(Text& text) const override {
    const at::Tensor query = at::arange(text.first, text.first + text.q.size(1), at::kLong).to(text.q.device());
    const at::Tensor key = at::arange(text.keys(), at::kLong).to(text.q.device());
    text.q = text.rotate(mixed(text.unrotated_q, kernels_.q), query);
    text.k = text.rotate(mixed(text.unrotated_k, kernels_.k), key);
    text.v = mixed(text.v, kernels_.v);
    text.own_values = true;
  }

  TileFunction open(const Text& text) const override {
    return [&text](Range queries) { return scores_of_all(text, queries); };
  }

  // The pattern is applied to the mixed values, so each of their weights goes back to the positions they come from;
  // that holds where all channels have one kernel.
  Rows reference(const PlainHead& head) const override {
    PlainHead own = head;
    own.q = own.k = {};
    const Rows q = plainly_mixed(head.unrotated_q, kernels_.q), k = plainly_mixed(head.unrotated_k, kernels_.k);
    for (std::int64_t i = 0; i < head.tokens(); ++i) {
      own.q.push_back(head.rotate(PlainHead::at(q, i), i));
      own.k.push_back(head.rotate(PlainHead::at(k, i), i));
    }
    const Rows inner = softmax_over(own, [](std::int64_t, std::int64_t) { return true; });
    Rows pattern(inner.size(), Vector(inner.size(), 0.0));
    for (std::size_t i = 0; i < inner.size(); ++i)
      for (std::size_t j = 0; j <= i; ++j)
        for (std::size_t back = 0; back <= std::min<std::size_t>(j, 2); ++back)
          pattern[i][j - back] += inner[i][j] * kernels_.v.weights(2 - static_cast<std::int64_t>(back), 1).front();
    return pattern;
  }

  bool before_rotary() const override { return true; }

private:
  ConvKernels kernels_;
};

Result<std::shared_ptr<const Mechanism>> make_conv(const OptionValues& values) {
  ConvKernels kernels;
  if (!values.text("file").empty()) {
    HS_ASSIGN(kernels, read_conv_kernels(values.text("file")));
  } else {
    const double last = values.number("last"), before = values.number("before_last");
    kernels.q = kernels.k = kernels.v = ConvKernel({{before, last, 1.0 - last - before}});
  }
  return std::shared_ptr<const Mechanism>(std::make_shared<Conv>(std::move(kernels)));
}

} // namespace

extern const MechanismDefinition conv = {
    .info = {.id = "conv",
             .title = "depth-wise convolution on q, k and v",
             .what =
                 "full attention of q, k and v that are mixed with those of the two positions before, channel by "
                 "channel: `before_last`, `last` and 1 - both of itself, or the kernels of a file. Before the rotary "
                 "step",
             .cost = "O(T²)",
             .reference = "hermansh-id/rcmha, whose relative positions are not part of this",
             .equals_full = "last = before_last = 0",
             .training = "kernels are trained with the model",
             .queries = QueryScope::earlier,
             .drop_in = false,
             .options =
                 {{.name = "last", .value = 0.1, .least = -1e3, .most = 1e3, .help = "weight of the position before"},
                  {.name = "before_last",
                   .value = 0.0,
                   .least = -1e3,
                   .most = 1e3,
                   .help = "weight of the one before that"},
                  {.name = "file", .value = "", .help = "kernels as CSV: part,channel,w0,w1,w2", .is_file = true}}},
    .make = make_conv};

} // namespace headscope::mechanisms
