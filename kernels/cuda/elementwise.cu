// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/elementwise.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <type_traits>

namespace headscope::kernels::cuda {
namespace {

constexpr int threads = 256;
constexpr int width = 4; // elements a thread takes at once

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

struct RotaryShape {
  std::int64_t stride, table_rows, rows;
  int heads, d_head, dim;
};

template <typename T>
__global__ void __launch_bounds__(threads) rotate(const T* x, const T* cosine, const T* sine, RotaryShape s, T* out) {
  const std::int64_t all = s.rows * s.heads * s.d_head;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; at < all;
       at += static_cast<std::int64_t>(gridDim.x) * threads) {
    const int e = static_cast<int>(at % s.d_head), head = static_cast<int>(at / s.d_head % s.heads);
    const std::int64_t row = at / s.d_head / s.heads;
    const T* from = x + row * s.stride + static_cast<std::int64_t>(head) * s.d_head;
    if (e >= s.dim) {
      out[at] = from[e];
      continue;
    }
    const std::int64_t table = row % s.table_rows * s.dim + e;
    const int half = s.dim / 2;
    const float other = e < half ? -widen(from[e + half]) : widen(from[e - half]);
    out[at] = narrow<T>(rounded<T>(widen(from[e]) * widen(cosine[table])) + rounded<T>(other * widen(sine[table])));
  }
}

__global__ void __launch_bounds__(threads)
    split_rows(const float* x, float scale, bool low_first, std::int64_t rows, std::int64_t d, __half* out) {
  const std::int64_t packs = d / width, all = rows * packs;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; at < all;
       at += static_cast<std::int64_t>(gridDim.x) * threads) {
    const std::int64_t row = at / packs, i = at % packs;
    const Pack<float> in = reinterpret_cast<const Pack<float>*>(x)[at];
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
  auto* const on = static_cast<cudaStream_t>(stream);
  return by_element(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const auto* from = static_cast<const T*>(in);
    auto* to = static_cast<T*>(out);
    switch (gate) {
    case Gate::silu: gated_rows<T, Gate::silu><<<blocks, threads, 0, on>>>(from, rows, d, to); break;
    case Gate::gelu: gated_rows<T, Gate::gelu><<<blocks, threads, 0, on>>>(from, rows, d, to); break;
    case Gate::gelu_tanh: gated_rows<T, Gate::gelu_tanh><<<blocks, threads, 0, on>>>(from, rows, d, to); break;
    case Gate::relu: gated_rows<T, Gate::relu><<<blocks, threads, 0, on>>>(from, rows, d, to); break;
    }
  });
}

int rotary(Element element, const void* x, std::int64_t stride, const void* cosine, const void* sine,
           std::int64_t table_rows, std::int64_t rows, int heads, int d_head, int dim, void* out, void* stream) {
  const RotaryShape shape{stride, table_rows, rows, heads, d_head, dim};
  const unsigned blocks = blocks_for(rows * heads * d_head);
  return by_element(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    rotate<T><<<blocks, threads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const T*>(x), static_cast<const T*>(cosine), static_cast<const T*>(sine), shape,
        static_cast<T*>(out));
  });
}

int split_halves(const float* x, float scale, bool low_first, std::int64_t rows, std::int64_t d, void* out,
                 void* stream) {
  split_rows<<<blocks_for(rows * d / width), threads, 0, static_cast<cudaStream_t>(stream)>>>(
      x, scale, low_first, rows, d, static_cast<__half*>(out));
  return launched();
}

} // namespace headscope::kernels::cuda
