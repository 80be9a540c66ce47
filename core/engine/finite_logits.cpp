// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/finite_logits.h"

#include <ATen/ATen.h>

namespace headscope {

Status check_finite(const at::Tensor& logits, const Model& model) {
  if (at::isfinite(logits).all().item<bool>()) return {};
  return not_finite(model);
}

Error not_finite(const Model& model) {
  return make_error(ErrorCode::unsupported,
                    "the model's logits are not all numbers: activations pass the range of " +
                        std::string(c10::toString(model.dtype)) + "; bfloat16 and float32 have a larger one",
                    model.identity.path, "--dtype");
}

} // namespace headscope
