// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/dequant.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "kernels/cuda/dequant_element.cuh"

namespace headscope::kernels::cuda {
namespace {

constexpr unsigned threads = 256;
constexpr unsigned per_thread = 4;                       // rows of `threads` elements that a block of threads writes
constexpr std::size_t per_launch = std::size_t{1} << 38; // keeps the grid below its limit of 2^31 - 1

__device__ void store(float value, float* out) { *out = value; }
__device__ void store(float value, __nv_bfloat16* out) { *out = __float2bfloat16_rn(value); }
__device__ void store(float value, __half* out) { *out = __float2half_rn(value); }

template <typename Type, typename T>
__global__ void __launch_bounds__(threads) convert(const std::uint8_t* blocks, std::size_t count, T* out) {
  std::size_t at = static_cast<std::size_t>(blockIdx.x) * threads * per_thread + threadIdx.x;
#pragma unroll
  for (unsigned row = 0; row < per_thread; ++row, at += threads)
    if (at < count)
      store(Type::element(blocks + at / Type::size * Type::bytes, static_cast<int>(at % Type::size)), out + at);
}

template <typename Type, typename T> int launch(const void* blocks, std::size_t count, void* out, cudaStream_t stream) {
  const auto* in = static_cast<const std::uint8_t*>(blocks);
  auto* to = static_cast<T*>(out);
  for (std::size_t done = 0; done < count; done += per_launch) {
    const std::size_t now = count - done < per_launch ? count - done : per_launch;
    const auto grid = static_cast<unsigned>((now + threads * per_thread - 1) / (threads * per_thread));
    convert<Type, T><<<grid, threads, 0, stream>>>(in + done / Type::size * Type::bytes, now, to + done);
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) return static_cast<int>(error);
  }
  return 0;
}

template <typename T> int by_type(QuantType type, const void* blocks, std::size_t n, void* out, cudaStream_t stream) {
  switch (type) {
  case QuantType::f32: return launch<F32, T>(blocks, n, out, stream);
  case QuantType::f16: return launch<F16, T>(blocks, n, out, stream);
  case QuantType::bf16: return launch<BF16, T>(blocks, n, out, stream);
  case QuantType::q4_0: return launch<Q4_0, T>(blocks, n, out, stream);
  case QuantType::q4_1: return launch<Q4_1, T>(blocks, n, out, stream);
  case QuantType::q5_0: return launch<Q5_0, T>(blocks, n, out, stream);
  case QuantType::q5_1: return launch<Q5_1, T>(blocks, n, out, stream);
  case QuantType::q8_0: return launch<Q8_0, T>(blocks, n, out, stream);
  case QuantType::q2_k: return launch<Q2_K, T>(blocks, n, out, stream);
  case QuantType::q3_k: return launch<Q3_K, T>(blocks, n, out, stream);
  case QuantType::q4_k: return launch<Q4_K, T>(blocks, n, out, stream);
  case QuantType::q5_k: return launch<Q5_K, T>(blocks, n, out, stream);
  case QuantType::q6_k: return launch<Q6_K, T>(blocks, n, out, stream);
  case QuantType::iq4_nl: return launch<IQ4_NL, T>(blocks, n, out, stream);
  }
  return static_cast<int>(cudaErrorInvalidValue);
}

} // namespace

int dequantise(QuantType type, const void* blocks, std::size_t count, Output output, void* out, void* stream) {
  auto* on = static_cast<cudaStream_t>(stream);
  if (output == Output::bf16) return by_type<__nv_bfloat16>(type, blocks, count, out, on);
  if (output == Output::f16) return by_type<__half>(type, blocks, count, out, on);
  return by_type<float>(type, blocks, count, out, on);
}

} // namespace headscope::kernels::cuda
