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
// Powers of two that keep products of the half-precision parts well inside their range.
constexpr float x_scale = 1.0F / 64.0F, w_scale = 1.0F;
constexpr double low_step = 1.0 / 2048.0;
// With fewer rows the launches cost more than the tensor cores save.
constexpr std::int64_t least_rows = 128;

std::optional<hk::Element> element_of(at::ScalarType type) {
  switch (type) {
  case at::kFloat: return hk::Element::f32;
  case at::kBFloat16: return hk::Element::bf16;
  case at::kHalf: return hk::Element::f16;
  default: return std::nullopt;
  }
}

// Returns null where plain torch operations should be used.
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

bool starts_aligned(const at::Tensor& x) { return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0; }
bool aligned(const at::Tensor& x) { return x.is_contiguous() && starts_aligned(x); }

hk::Gate gate_of(Activation activation) {
  switch (activation) {
  case Activation::silu: return hk::Gate::silu;
  case Activation::gelu: return hk::Gate::gelu;
  case Activation::gelu_tanh: return hk::Gate::gelu_tanh;
  case Activation::relu: break;
  }
  return hk::Gate::relu;
}

// Whether x W^T is faster as products of half-precision parts. Their fast kernels also need aligned result rows.
bool splits(const at::Tensor& x, const at::Tensor& w) {
  return x.scalar_type() == at::kFloat && x.is_cuda() && aligned(x) && aligned(w) && w.size(0) % multiple == 0 &&
         w.size(1) % 8 == 0 && x.numel() / x.size(-1) >= least_rows;
}

// Splits `from` into high and low parts [rows, 2 in] in half precision, or returns an undefined tensor.
at::Tensor halves(const hk::Module& module, const at::Tensor& from, float scale, bool low_first) {
  const std::int64_t in = from.size(-1), rows = from.numel() / in;
  at::Tensor out = at::empty({rows, 2 * in}, from.options().dtype(at::kHalf));
  const int error = module.split_halves(from.const_data_ptr<float>(), scale, low_first, rows, in,
                                        out.mutable_data_ptr(), stream_of(from));
  return error == 0 ? out : at::Tensor{};
}

// Returns x W^T [rows, out] in float32, or undefined; `xs` is [high | low] of x / 64.
at::Tensor product_of_halves(const hk::Module& module, const at::Tensor& xs, const at::Tensor& w) {
  const std::int64_t in = w.size(1);
  const at::Tensor ws = halves(module, w, w_scale, true); // [low | high]
  if (!ws.defined()) return {};
  at::Tensor y = at::mm(xs, ws.t(), at::kFloat); // high x low + low x high
  constexpr double back = 1.0 / (static_cast<double>(x_scale) * static_cast<double>(w_scale));
  at::addmm_outf(y, xs.narrow(1, 0, in), ws.narrow(1, in, in).t(), at::kFloat, back * low_step, back, y);
  return y;
}

// Computes y + b + onto in place and gives it the leading sizes of `like`.
at::Tensor with_added(const hk::Module& module, at::Tensor y, const at::Tensor& b, const at::Tensor& onto,
                      at::IntArrayRef like) {
  const std::int64_t d = y.size(1);
  const at::Tensor other = onto.defined() ? onto.contiguous() : onto;
  const auto pointer = [](const at::Tensor& x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; };
  if (b.defined() || other.defined()) {
    const bool fits = (!b.defined() || aligned(b)) && (!other.defined() || aligned(other));
    const bool added = fits && module.add_rows(y.const_data_ptr<float>(), pointer(b), pointer(other), y.size(0), d,
                                               y.mutable_data_ptr<float>(), stream_of(y)) == 0;
    if (!added && b.defined()) y.add_(b);
    if (!added && other.defined()) y.add_(other.view_as(y));
  }
  std::vector<std::int64_t> sizes = like.vec();
  sizes.back() = d;
  return y.view(sizes);
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
  const bool packs = d_head % multiple == 0 && dim % (2 * multiple) == 0 && x.stride(1) % multiple == 0;
  const bool fits = module && rows && packs && starts_aligned(x) && aligned(tables.cos) && aligned(tables.sin) &&
                    tables.cos.scalar_type() == x.scalar_type();
  if (!fits) return {};
  at::Tensor out = at::empty(x.sizes(), x.options());
  const int error = module->rotary(*element_of(x.scalar_type()), x.const_data_ptr(), x.stride(1),
                                   tables.cos.const_data_ptr(), tables.sin.const_data_ptr(), tables.cos.numel() / dim,
                                   x.size(0) * x.size(1), static_cast<int>(heads), static_cast<int>(d_head),
                                   static_cast<int>(dim), out.mutable_data_ptr(), stream_of(x));
  return error == 0 ? out : at::Tensor{};
}

at::Tensor split_linear_on_device(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                  const at::Tensor& onto) {
  const hk::Module* module = splits(x, w) ? module_for(x) : nullptr;
  if (!module) return {};
  const at::Tensor xs = halves(*module, x, x_scale, false);
  const at::Tensor y = xs.defined() ? product_of_halves(*module, xs, w) : xs;
  return y.defined() ? with_added(*module, y, b, onto, x.sizes()) : y;
}

at::Tensor split_mlp_on_device(Activation activation, const BlockWeights& block, const at::Tensor& x,
                               const at::Tensor& onto) {
  const hk::Module* module = splits(x, block.w_in) && splits(x, block.w_out) ? module_for(x) : nullptr;
  if (!module || (block.b_in.defined() && !aligned(block.b_in))) return {};
  const at::Tensor xs = halves(*module, x, x_scale, false);
  const at::Tensor in = xs.defined() ? product_of_halves(*module, xs, block.w_in) : xs;
  if (!in.defined()) return {};
  at::Tensor post = at::empty({in.size(0), 2 * in.size(1)}, xs.options());
  const float* const bias = block.b_in.defined() ? block.b_in.const_data_ptr<float>() : nullptr;
  if (module->split_activated(in.const_data_ptr<float>(), bias, gate_of(activation), x_scale, in.size(0), in.size(1),
                              post.mutable_data_ptr(), stream_of(x)) != 0)
    return {};
  const at::Tensor y = product_of_halves(*module, post, block.w_out);
  return y.defined() ? with_added(*module, y, block.b_out, onto, x.sizes()) : y;
}

} // namespace headscope
