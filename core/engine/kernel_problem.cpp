// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/kernel_problem.h"

#include <string>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/base/log.h"

namespace headscope {

std::optional<kernels::Element> element_of(at::ScalarType type) {
  if (type == at::kFloat) return kernels::Element::f32;
  if (type == at::kBFloat16) return kernels::Element::bf16;
  if (type == at::kHalf) return kernels::Element::f16;
  return std::nullopt;
}

at::Tensor aligned(const at::Tensor& x) {
  const std::int64_t per_step = 16 / static_cast<std::int64_t>(x.element_size());
  const bool whole = x.stride(0) % per_step == 0 && x.stride(1) % per_step == 0 && x.stride(2) % per_step == 0 &&
                     reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0;
  return x.stride(3) == 1 && whole ? x : x.contiguous();
}

KernelScores::KernelScores(const at::Tensor& queries, const at::Tensor& keys, const kernels::AttentionVariant& variant,
                           const std::vector<std::int64_t>& begins)
    : q(aligned(queries.detach())), k(aligned(keys.detach())) {
  problem.q = q.const_data_ptr(), problem.k = k.const_data_ptr();
  problem.q_strides = {q.stride(0), q.stride(1), q.stride(2)};
  problem.k_strides = {k.stride(0), k.stride(1), k.stride(2)};
  problem.element = *element_of(q.scalar_type());
  problem.batch = q.size(0), problem.heads = q.size(2), problem.kv_heads = k.size(2), problem.d_head = q.size(3);
  problem.queries = q.size(1), problem.keys = k.size(1);
  problem.variant = variant;
  if (begins.empty()) return;
  key_begin = at::tensor(begins, at::kLong).to(q.device());
  problem.key_begin = key_begin.const_data_ptr<std::int64_t>();
}

bool on_gpu(const at::Tensor& x, const char* what, const KernelCall& work) {
  const kernels::cuda::Module* module = cuda_module();
  if (!module) return false;
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  void* const stream = guard.getStreamNativeHandle(guard.getStream(x.device()));
  std::optional<int> error = module->use_device(x.device().index());
  if (*error == 0) error = work(*module, stream);
  if (error.value_or(0) != 0)
    log::warning(std::string(what) + " a slower way, the GPU refused: " + module->describe(*error));
  return error == 0;
}

} // namespace headscope
