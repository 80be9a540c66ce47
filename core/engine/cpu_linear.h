// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace headscope {

// Computes x W^T + b with oneDNN in float32 on the CPU; x [..., in], w [out, in], b [out] or undefined. Returns an
// undefined tensor where at::linear is faster or the only way. at::linear uses MKL, whose product is 5 to 15 % slower
// on AMD CPUs. Has no gradients.
at::Tensor linear_on_cpu(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b);

} // namespace headscope
