// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/cpu_linear.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace headscope {
namespace {

using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
                          c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);

constexpr std::int64_t fewest_rows = 64; // below, the product is bound by reading w and both are alike

std::optional<c10::TypedOperatorHandle<Linear>> find_linear() {
  if (!at::globalContext().userEnabledMkldnn() || !at::hasMKLDNN()) return std::nullopt;
  const auto op = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!op) return std::nullopt;
  return op->typed<Linear>();
}

} // namespace

at::Tensor linear_on_cpu(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  static const auto linear = find_linear();
  if (!linear || !x.is_cpu() || x.scalar_type() != at::kFloat || w.scalar_type() != at::kFloat) return {};
  if (x.numel() < fewest_rows * x.size(-1) || !w.is_contiguous()) return {};
  return linear->call(x, w, b.defined() ? std::optional(b) : std::nullopt, "none",
                      c10::List<std::optional<at::Scalar>>(), "");
}

} // namespace headscope
