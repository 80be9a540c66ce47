// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/model/model.h"

namespace headscope {

// Logits of an unchanged model are numbers. Where they are not, activations have passed the range of the model's type,
// as Gemma's do in float16: unsupported, naming the model and --dtype. `logits` may be of any shape, on any device.
Status check_finite(const at::Tensor& logits, const Model& model);
// That error, for whoever has looked.
Error not_finite(const Model& model);

} // namespace headscope
