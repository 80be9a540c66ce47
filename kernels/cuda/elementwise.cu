// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/elementwise.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <type_traits>

namespace headscope::kernels::cuda {
namespace {

constexpr int threads = 256;
constexpr int width = 4; // elements that a thread processes at once

template <typename T> struct alignas(sizeof(T) * width) Pack { T at[width]; };

__device__ float widen(float x) { return x; }
__device__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ float widen(__half x) { return __half2float(x); }
template <typename T> __device__ T narrow(float x);
template <> __device__ float narrow<float>(float x) { return x; }
template <> __device__ __nv_bfloat16 narrow<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }
template <> __device__ __half narrow<__half>(float x) { return __float2half_rn(x); }
template <typename T> __device__ float rounded(float x) { return widen(narrow<T>(x)); }

// The sum over a block of `threads`, for all of them.
__device__ float block_sum(float value) {
  __shared__ float of_warp[threads / 32];
  for (int step = 16; step > 0; step /= 2)
    value += __shfl_xor_sync(0xffffffffU, value, step);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0F;
  for (int warp = 0; warp < threads / 32; ++warp)
    sum += of_warp[warp];
  return sum;
}

template <typename T>
__global__ void __launch_bounds__(threads)
    rms_norm_row(const T* x, const T* weight, bool weight_first, float eps, std::int64_t d, T* out) {
  const auto* in = reinterpret_cast<const Pack<T>*>(x + static_cast<std::int64_t>(blockIdx.x) * d);
  auto* to = reinterpret_cast<Pack<T>*>(out + static_cast<std::int64_t>(blockIdx.x) * d);
  const auto* w = reinterpret_cast<const Pack<T>*>(weight);
  const std::int64_t packs = d / width;
  float sum = 0.0F;
  for (std::int64_t i = threadIdx.x; i < packs; i += threads) {
    const Pack<T> pack = in[i];
#pragma unroll
    for (int j = 0; j < width; ++j)
      sum += widen(pack.at[j]) * widen(pack.at[j]);
  }
  const float inverse = rsqrtf(block_sum(sum) / static_cast<float>(d) + eps);
  for (std::int64_t i = threadIdx.x; i < packs; i += threads) {
    const Pack<T> pack = in[i];
    Pack<T> result;
#pragma unroll
    for (int j = 0; j < width; ++j) {
      float value = widen(pack.at[j]) * inverse;
      if (w) value = (weight_first ? value : rounded<T>(value)) * widen(w[i].at[j]);
      result.at[j] = narrow<T>(value);
    }
    to[i] = result;
  }
}

template <Gate gate> __device__ float activate(float x) {
  if constexpr (gate == Gate::silu) return x / (1.0F + expf(-x));
  if constexpr (gate == Gate::relu) return fmaxf(x, 0.0F);
  if constexpr (gate == Gate::gelu) return x * 0.5F * (1.0F + erff(x * 0.70710678118654752440F));
  const float inner = 0.79788456080286535588F * (x + 0.044715F * x * x * x);
  return 0.5F * x * (1.0F + tanhf(inner));
}

template <typename T, Gate gate>
__global__ void __launch_bounds__(threads) gated_rows(const T* in, std::int64_t rows, std::int64_t d, T* out) {
  const std::int64_t packs = d / width, all = rows * packs;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; at < all;
       at += static_cast<std::int64_t>(gridDim.x) * threads) {
    const std::int64_t row = at / packs, i = at % packs;
    const auto* from = reinterpret_cast<const Pack<T>*>(in + row * 2 * d);
    const Pack<T> a = from[i], b = from[packs + i];
    Pack<T> result;
#pragma unroll
    for (int j = 0; j < width; ++j)
      result.at[j] = narrow<T>(rounded<T>(activate<gate>(widen(a.at[j]))) * widen(b.at[j]));
    reinterpret_cast<Pack<T>*>(out + row * d)[i] = result;
  }
}

// Sizes in packs.
struct RotaryShape {
  std::int64_t stride, table_rows;
  int heads, d_head, half;
};

template <typename T> __device__ Pack<T> turned(Pack<T> x, Pack<T> cosine, Pack<T> other, Pack<T> sine, float sign) {
  Pack<T> result;
#pragma unroll
  for (int j = 0; j < width; ++j)
    result.at[j] = narrow<T>(rounded<T>(widen(x.at[j]) * widen(cosine.at[j])) +
                             rounded<T>(sign * widen(other.at[j]) * widen(sine.at[j])));
  return result;
}

// One block per row: a thread takes a pack of the front half and its partner, or one of the packs after them, which
// stay unchanged.
template <typename T>
__global__ void __launch_bounds__(threads)
    rotate(const Pack<T>* x, const Pack<T>* cosine, const Pack<T>* sine, RotaryShape s, Pack<T>* out) {
  const std::int64_t row = blockIdx.x;
  cosine += row % s.table_rows * 2 * s.half;
  sine += row % s.table_rows * 2 * s.half;
  const int items = s.d_head - s.half; // of a head
  for (int at = static_cast<int>(threadIdx.x); at < s.heads * items; at += threads) {
    const int head = at / items, i = at % items;
    const Pack<T>* from = x + row * s.stride + head * s.d_head;
    Pack<T>* to = out + (row * s.heads + head) * s.d_head;
    if (i >= s.half) {
      to[i + s.half] = from[i + s.half];
      continue;
    }
    const Pack<T> a = from[i], b = from[i + s.half];
    to[i] = turned(a, cosine[i], b, sine[i], -1.0F);
    to[i + s.half] = turned(b, cosine[i + s.half], a, sine[i + s.half], 1.0F);
  }
}

struct AsItIs {
  __device__ Pack<float> operator()(Pack<float> x, std::int64_t) const { return x; }
};

template <Gate gate> struct Activated {
  const Pack<float>* bias; // null: none

  __device__ Pack<float> operator()(Pack<float> x, std::int64_t i) const {
#pragma unroll
    for (int j = 0; j < width; ++j)
      x.at[j] = activate<gate>(bias ? x.at[j] + bias[i].at[j] : x.at[j]);
    return x;
  }
};

// change(pack, its place in the row) gives the values that are split.
template <typename Change>
__global__ void __launch_bounds__(threads) split_rows(const float* x, Change change, float scale, bool low_first,
                                                      std::int64_t rows, std::int64_t d, __half* out) {
  const std::int64_t packs = d / width, all = rows * packs;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; at < all;
       at += static_cast<std::int64_t>(gridDim.x) * threads) {
    const std::int64_t row = at / packs, i = at % packs;
    const Pack<float> in = change(reinterpret_cast<const Pack<float>*>(x)[at], i);
    Pack<__half> high, low;
#pragma unroll
    for (int j = 0; j < width; ++j) {
      const float value = in.at[j] * scale;
      high.at[j] = __float2half_rn(value);
      low.at[j] = __float2half_rn((value - __half2float(high.at[j])) * 2048.0F);
    }
    auto* to = reinterpret_cast<Pack<__half>*>(out + row * 2 * d);
    to[low_first ? packs + i : i] = high;
    to[low_first ? i : packs + i] = low;
  }
}

__global__ void __launch_bounds__(threads)
    add_to_rows(const Pack<float>* x, const Pack<float>* bias, const Pack<float>* other, std::int64_t all,
                std::int64_t packs, Pack<float>* out) {
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; at < all;
       at += static_cast<std::int64_t>(gridDim.x) * threads) {
    Pack<float> sum = x[at];
    const Pack<float> b = bias ? bias[at % packs] : Pack<float>{};
    const Pack<float> o = other ? other[at] : Pack<float>{};
#pragma unroll
    for (int j = 0; j < width; ++j) {
      if (bias) sum.at[j] += b.at[j];
      if (other) sum.at[j] += o.at[j];
    }
    out[at] = sum;
  }
}

unsigned blocks_for(std::int64_t items) {
  const std::int64_t blocks = (items + threads - 1) / threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 65535 ? 65535 : blocks);
}

int launched() { return static_cast<int>(cudaGetLastError()); }

// Calls with a null pointer of the element's type.
template <typename Call> int by_element(Element element, const Call& call) {
  switch (element) {
  case Element::f32: call(static_cast<float*>(nullptr)); break;
  case Element::bf16: call(static_cast<__nv_bfloat16*>(nullptr)); break;
  case Element::f16: call(static_cast<__half*>(nullptr)); break;
  }
  return launched();
}

// Calls with the gate as a constant.
template <typename Call> void by_gate(Gate gate, const Call& call) {
  switch (gate) {
  case Gate::silu: call(std::integral_constant<Gate, Gate::silu>{}); break;
  case Gate::gelu: call(std::integral_constant<Gate, Gate::gelu>{}); break;
  case Gate::gelu_tanh: call(std::integral_constant<Gate, Gate::gelu_tanh>{}); break;
  case Gate::relu: call(std::integral_constant<Gate, Gate::relu>{}); break;
  }
}

} // namespace

int rms_norm(Element element, const void* x, const void* weight, bool weight_first, float eps, std::int64_t rows,
             std::int64_t d, void* out, void* stream) {
  return by_element(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    rms_norm_row<T><<<static_cast<unsigned>(rows), threads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const T*>(x), static_cast<const T*>(weight), weight_first, eps, d, static_cast<T*>(out));
  });
}

int gated(Element element, Gate gate, const void* in, std::int64_t rows, std::int64_t d, void* out, void* stream) {
  const unsigned blocks = blocks_for(rows * d / width);
  return by_element(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    by_gate(gate, [&](auto which) {
      gated_rows<T, which()><<<blocks, threads, 0, static_cast<cudaStream_t>(stream)>>>(static_cast<const T*>(in), rows,
                                                                                        d, static_cast<T*>(out));
    });
  });
}

int rotary(Element element, const void* x, std::int64_t stride, const void* cosine, const void* sine,
           std::int64_t table_rows, std::int64_t rows, int heads, int d_head, int dim, void* out, void* stream) {
  const RotaryShape shape{stride / width, table_rows, heads, d_head / width, dim / 2 / width};
  return by_element(element, [&](auto* type) {
    using P = Pack<std::remove_pointer_t<decltype(type)>>;
    rotate<<<static_cast<unsigned>(rows), threads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const P*>(x), static_cast<const P*>(cosine), static_cast<const P*>(sine), shape,
        static_cast<P*>(out));
  });
}

int split_halves(const float* x, float scale, bool low_first, std::int64_t rows, std::int64_t d, void* out,
                 void* stream) {
  split_rows<<<blocks_for(rows * d / width), threads, 0, static_cast<cudaStream_t>(stream)>>>(
      x, AsItIs{}, scale, low_first, rows, d, static_cast<__half*>(out));
  return launched();
}

int split_activated(const float* x, const float* bias, Gate gate, float scale, std::int64_t rows, std::int64_t d,
                    void* out, void* stream) {
  by_gate(gate, [&](auto which) {
    split_rows<<<blocks_for(rows * d / width), threads, 0, static_cast<cudaStream_t>(stream)>>>(
        x, Activated<which()>{reinterpret_cast<const Pack<float>*>(bias)}, scale, false, rows, d,
        static_cast<__half*>(out));
  });
  return launched();
}

int add_rows(const float* x, const float* bias, const float* other, std::int64_t rows, std::int64_t d, float* out,
             void* stream) {
  const auto packs = [](const float* from) { return reinterpret_cast<const Pack<float>*>(from); };
  add_to_rows<<<blocks_for(rows * d / width), threads, 0, static_cast<cudaStream_t>(stream)>>>(
      packs(x), packs(bias), packs(other), rows * d / width, d / width, reinterpret_cast<Pack<float>*>(out));
  return launched();
}

} // namespace headscope::kernels::cuda
