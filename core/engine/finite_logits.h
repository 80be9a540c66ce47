// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/model/model.h"

namespace headscope {

// Checks that an unchanged model's logits are finite. Where they are not, activations have left the range of the
// model's type, as Gemma's do in float16: the error is `unsupported` and names the model and --dtype. `logits` may be
// of any shape, on any device.
Status check_finite(const at::Tensor& logits, const Model& model);
// Makes that error, for callers that have checked the logits themselves.
Error not_finite(const Model& model);

} // namespace headscope
