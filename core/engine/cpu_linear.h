// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace headscope {

// x W^T + b by oneDNN for float32 on the processor, x [..., in], w [out, in], b [out] or undefined; an undefined tensor
// where at::linear is the better or the only way. at::linear takes MKL, whose product is 5 to 15 % slower on AMD
// processors. No gradients.
at::Tensor linear_on_cpu(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b);

} // namespace headscope
