// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/device_parts.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/engine/cuda_module.h"

namespace headscope {
namespace {

namespace hk = kernels::cuda;

constexpr std::int64_t multiple = 4; // of the rows' lengths
// Powers of two that keep the products of the halves far from the ends of their range.
constexpr float x_scale = 1.0F / 64.0F, w_scale = 1.0F;
constexpr double low_step = 1.0 / 2048.0;
// With fewer rows the launches cost more than the tensor cores save.
constexpr std::int64_t least_rows = 1024;

std::optional<hk::Element> element_of(at::ScalarType type) {
  switch (type) {
  case at::kFloat: return hk::Element::f32;
  case at::kBFloat16: return hk::Element::bf16;
  case at::kHalf: return hk::Element::f16;
  default: return std::nullopt;
  }
}

// Null where the plain way is to be taken.
const hk::Module* module_for(const at::Tensor& x) {
  if (!x.is_cuda() || x.numel() == 0 || !element_of(x.scalar_type())) return nullptr;
  if (c10::GradMode::is_enabled() && x.requires_grad()) return nullptr;
  const hk::Module* module = cuda_module();
  return module && module->use_device(x.device().index()) == 0 ? module : nullptr;
}

void* stream_of(const at::Tensor& x) {
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return guard.getStreamNativeHandle(guard.getStream(x.device()));
}

bool aligned(const at::Tensor& x) {
  return x.is_contiguous() && reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0;
}

hk::Gate gate_of(Activation activation) {
  switch (activation) {
  case Activation::silu: return hk::Gate::silu;
  case Activation::gelu: return hk::Gate::gelu;
  case Activation::gelu_tanh: return hk::Gate::gelu_tanh;
  case Activation::relu: break;
  }
  return hk::Gate::relu;
}

} // namespace

at::Tensor rms_norm_on_device(const ModelConfig& config, const at::Tensor& weight, const at::Tensor& x) {
  const hk::Module* module = module_for(x);
  const std::int64_t d = x.size(-1);
  const bool fits = module && aligned(x) && d % multiple == 0 &&
                    (!weight.defined() || (weight.scalar_type() == x.scalar_type() && aligned(weight)));
  if (!fits) return {};
  at::Tensor out = at::empty_like(x);
  const int error =
      module->rms_norm(*element_of(x.scalar_type()), x.const_data_ptr(),
                       weight.defined() ? weight.const_data_ptr() : nullptr, config.norm_scale_in_float32,
                       static_cast<float>(config.norm_eps), x.numel() / d, d, out.mutable_data_ptr(), stream_of(x));
  return error == 0 ? out : at::Tensor{};
}

at::Tensor gated_on_device(Activation activation, const at::Tensor& in) {
  const hk::Module* module = module_for(in);
  const std::int64_t d = in.size(-1) / 2;
  if (!module || !aligned(in) || d % multiple != 0) return {};
  std::vector<std::int64_t> sizes = in.sizes().vec();
  sizes.back() = d;
  at::Tensor out = at::empty(sizes, in.options());
  const int error = module->gated(*element_of(in.scalar_type()), gate_of(activation), in.const_data_ptr(),
                                  in.numel() / (2 * d), d, out.mutable_data_ptr(), stream_of(in));
  return error == 0 ? out : at::Tensor{};
}

at::Tensor rotary_on_device(const at::Tensor& x, const RotaryTables& tables) {
  const hk::Module* module = module_for(x);
  const std::int64_t heads = x.size(2), d_head = x.size(3), dim = tables.cos.size(-1);
  const bool rows = x.stride(3) == 1 && x.stride(2) == d_head && x.stride(0) == x.stride(1) * x.size(1);
  const bool fits = module && rows && tables.cos.is_contiguous() && tables.sin.is_contiguous() &&
                    tables.cos.scalar_type() == x.scalar_type();
  if (!fits) return {};
  at::Tensor out = at::empty(x.sizes(), x.options());
  const int error = module->rotary(*element_of(x.scalar_type()), x.const_data_ptr(), x.stride(1),
                                   tables.cos.const_data_ptr(), tables.sin.const_data_ptr(), tables.cos.numel() / dim,
                                   x.size(0) * x.size(1), static_cast<int>(heads), static_cast<int>(d_head),
                                   static_cast<int>(dim), out.mutable_data_ptr(), stream_of(x));
  return error == 0 ? out : at::Tensor{};
}

at::Tensor split_linear_on_device(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  const hk::Module* module = x.scalar_type() == at::kFloat ? module_for(x) : nullptr;
  const std::int64_t in = w.size(1), rows = x.numel() / in;
  if (!module || !aligned(x) || !aligned(w) || in % 8 != 0 || rows < least_rows) return {};
  const auto halves = [&](const at::Tensor& from, float scale, bool low_first) {
    at::Tensor out = at::empty({from.numel() / in, 2 * in}, from.options().dtype(at::kHalf));
    const int error = module->split_halves(from.const_data_ptr<float>(), scale, low_first, from.numel() / in, in,
                                           out.mutable_data_ptr(), stream_of(from));
    return error == 0 ? out : at::Tensor{};
  };
  const at::Tensor xs = halves(x, x_scale, false), ws = halves(w, w_scale, true); // [high | low], [low | high]
  if (!xs.defined() || !ws.defined()) return {};
  at::Tensor y = at::mm(xs, ws.t(), at::kFloat); // high x low + low x high
  constexpr double back = 1.0 / (static_cast<double>(x_scale) * static_cast<double>(w_scale));
  at::addmm_outf(y, xs.narrow(1, 0, in), ws.narrow(1, in, in).t(), at::kFloat, back * low_step, back, y);
  if (b.defined()) y.add_(b);
  std::vector<std::int64_t> sizes = x.sizes().vec();
  sizes.back() = w.size(0);
  return y.view(sizes);
}

} // namespace headscope
