// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the programs that run on a GPU: memory there, and exiting with a message where a CUDA call fails.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime_api.h>

namespace headscope::kernels {

inline void require(int status, const char* what) {
  if (status == 0) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(static_cast<cudaError_t>(status)));
  std::exit(2);
}

class DeviceMemory {
public:
  explicit DeviceMemory(std::size_t bytes) { require(cudaMalloc(&data_, bytes + 1), "cudaMalloc"); }
  template <typename T> explicit DeviceMemory(const std::vector<T>& values) : DeviceMemory(sizeof(T) * values.size()) {
    require(cudaMemcpy(data_, values.data(), sizeof(T) * values.size(), cudaMemcpyHostToDevice), "copy to the GPU");
  }
  ~DeviceMemory() { cudaFree(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  template <typename T> T* as() const { return static_cast<T*>(data_); }
  template <typename T> void copy_to(std::vector<T>& values) const {
    require(cudaMemcpy(values.data(), data_, sizeof(T) * values.size(), cudaMemcpyDeviceToHost), "copy from the GPU");
  }

private:
  void* data_ = nullptr;
};

inline void print_device() {
  cudaDeviceProp device{};
  require(cudaGetDeviceProperties(&device, 0), "no GPU");
  std::printf("%s, compute capability %d.%d, %d multiprocessors\n", device.name, device.major, device.minor,
              device.multiProcessorCount);
}

} // namespace headscope::kernels
