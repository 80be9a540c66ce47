// SPDX-License-Identifier: GPL-3.0-or-later
// cuda_dequant_check: compares every type and output of the GPU's dequantisation with the CPU's reference, and prints
// the largest difference and the speed. Exits with 1 where any value differs in any bit, with 2 without a GPU.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels/cpu/dequant.h"
#include "kernels/cpu/float_types.h"
#include "kernels/cuda/dequant.h"

namespace {

namespace hk = headscope::kernels;
using hk::cuda::Output;

void require(int status, const char* what) {
  if (status == 0) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(static_cast<cudaError_t>(status)));
  std::exit(2);
}

struct DeviceMemory {
  void* data = nullptr;
  explicit DeviceMemory(std::size_t bytes) { require(cudaMalloc(&data, bytes), "cudaMalloc"); }
  ~DeviceMemory() { cudaFree(data); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
};

// Makes random blocks. Bytes of float16 scales are kept small, since a NaN has many bit patterns.
std::vector<std::uint8_t> random_blocks(const hk::QuantLayout& layout, std::size_t blocks, std::mt19937& random) {
  std::vector<std::uint8_t> bytes(blocks * layout.block_bytes);
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>(random());
  const std::string_view name = layout.name;
  for (std::size_t i = 0; i < blocks; ++i) {
    std::uint8_t* b = bytes.data() + i * layout.block_bytes;
    const auto tame = [&](std::size_t at) {
      if ((b[at + 1] & 0x7c) == 0x7c) b[at + 1] = static_cast<std::uint8_t>(b[at + 1] & 0xbf);
    };
    if (name == "F32" || name == "BF16") {
      std::uint8_t& top = b[layout.block_bytes - 1];
      if ((top & 0x7f) == 0x7f) top = static_cast<std::uint8_t>(top & 0xbf);
    } else if (name == "Q2_K" || name == "Q3_K" || name == "Q6_K") {
      tame(layout.block_bytes - 2);
      if (name == "Q2_K") tame(layout.block_bytes - 4);
    } else {
      tame(0);
      if (name == "Q4_1" || name == "Q5_1" || name == "Q4_K" || name == "Q5_K") tame(2);
    }
  }
  return bytes;
}

// The reference's bits in each output type, widened to 32.
std::uint32_t expected_bits(float value, Output output) {
  if (output == Output::bf16) return hk::float_to_bf16(value);
  if (output == Output::f16) return hk::float_to_f16(value);
  return hk::float_to_bits(value);
}

float as_float(std::uint32_t bits, Output output) {
  if (output == Output::bf16) return hk::bf16_to_float(static_cast<std::uint16_t>(bits));
  if (output == Output::f16) return hk::f16_to_float(static_cast<std::uint16_t>(bits));
  return hk::bits_to_float(bits);
}

struct Difference {
  std::size_t values = 0;
  double largest = 0;
};

Difference compare(const std::vector<float>& reference, const std::vector<std::uint8_t>& got, Output output) {
  const std::size_t width = output == Output::f32 ? 4 : 2;
  Difference difference;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, got.data() + width * i, width);
    const std::uint32_t wanted = expected_bits(reference[i], output);
    if (bits == wanted) continue;
    ++difference.values;
    difference.largest =
        std::max(difference.largest, std::abs(static_cast<double>(as_float(bits, output)) - as_float(wanted, output)));
  }
  return difference;
}

// Gigabytes per second, read and written, in the best of several launches.
double speed(hk::QuantType type, const DeviceMemory& in, std::size_t count, Output output, DeviceMemory& out,
             std::size_t bytes) {
  double best = 1e9;
  for (int pass = 0; pass < 10; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    require(hk::cuda::dequantise(type, in.data, count, output, out.data, nullptr), "launch");
    require(cudaDeviceSynchronize(), "run");
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return static_cast<double>(bytes) / best / 1e9;
}

// Returns true when every bit agrees.
bool check(hk::QuantType type, const hk::QuantLayout& layout, std::size_t blocks, bool report) {
  std::mt19937 random(20250103);
  const std::size_t count = blocks * layout.block_size;
  const std::vector<std::uint8_t> bytes = random_blocks(layout, blocks, random);
  std::vector<float> reference(count);
  hk::dequantise_reference(type, bytes.data(), count, reference.data());
  DeviceMemory in(bytes.size()), out(4 * count);
  require(cudaMemcpy(in.data, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "copy");
  bool equal = true;
  for (const Output output : {Output::f32, Output::bf16, Output::f16}) {
    const std::size_t width = output == Output::f32 ? 4 : 2;
    require(hk::cuda::dequantise(type, in.data, count, output, out.data, nullptr), "launch");
    std::vector<std::uint8_t> got(width * count);
    require(cudaMemcpy(got.data(), out.data, got.size(), cudaMemcpyDeviceToHost), "copy");
    const Difference difference = compare(reference, got, output);
    equal = equal && difference.values == 0;
    if (report || difference.values != 0)
      std::printf("%-7s to %-4s  %zu of %zu differ, max error %g, %.0f GB/s\n", layout.name,
                  output == Output::f32    ? "f32"
                  : output == Output::bf16 ? "bf16"
                                           : "f16",
                  difference.values, count, difference.largest,
                  speed(type, in, count, output, out, bytes.size() + width * count));
  }
  return equal;
}

} // namespace

int main() {
  int devices = 0;
  require(cudaGetDeviceCount(&devices), "no GPU");
  cudaDeviceProp device{};
  require(cudaGetDeviceProperties(&device, 0), "no GPU");
  std::printf("%s, compute capability %d.%d\n", device.name, device.major, device.minor);
  bool equal = true;
  for (std::uint32_t number = 0; number <= 30; ++number) {
    const hk::QuantLayout* layout = hk::quant_layout(number);
    if (!layout) continue;
    const auto type = static_cast<hk::QuantType>(number);
    equal = check(type, *layout, 1, false) && equal; // less than one block of threads
    equal = check(type, *layout, (std::size_t{1} << 25) / layout->block_size + 1, true) && equal;
  }
  std::printf(equal ? "every bit equal\n" : "DIFFERENT\n");
  return equal ? 0 : 1;
}
