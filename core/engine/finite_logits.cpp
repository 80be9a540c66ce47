// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/finite_logits.h"

#include <ATen/ATen.h>

namespace headscope {

Status check_finite(const at::Tensor& logits, const Model& model) {
  if (at::isfinite(logits).all().item<bool>()) return {};
  return not_finite(model);
}

Error not_finite(const Model& model) {
  const std::string what = "the model's logits are not all numbers: activations pass the range of " +
                           std::string(c10::toString(model.dtype));
  const bool widest = model.dtype == at::kFloat || model.dtype == at::kDouble || model.dtype == at::kBFloat16;
  return make_error(ErrorCode::unsupported,
                    what + (widest ? ", also by what is added, scaled or put in attention's place"
                                   : "; bfloat16 and float32 have a larger one"),
                    model.identity.path, widest ? "" : "--dtype");
}

} // namespace headscope
