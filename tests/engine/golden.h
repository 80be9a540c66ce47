// SPDX-License-Identifier: GPL-3.0-or-later
// The reference files of tests/golden as tensors.
#pragma once

#include <cstdlib>
#include <map>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/engine/device.h"
#include "core/engine/engine.h"
#include "core/io/safetensors.h"

namespace headscope {

using Tensors = std::map<std::string, at::Tensor>;

inline std::string golden_path(const std::string& name) { return std::string(HEADSCOPE_GOLDEN_DIR) + "/" + name; }

inline Tensors read_golden(const std::string& name) {
  const auto file = io::SafetensorsFile::open(golden_path("activations/" + name + ".safetensors"));
  if (!file.ok()) throw std::runtime_error(file.error().to_string());
  Tensors tensors;
  for (const io::TensorInfo& info : file->tensors()) {
    const auto bytes = file->bytes(info);
    at::Tensor tensor = at::empty(info.shape, info.dtype == "I64" ? at::kLong : at::kFloat);
    EXPECT_EQ(static_cast<std::size_t>(tensor.nbytes()), bytes.size()) << info.name << " " << info.dtype;
    std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
    tensors[info.name] = tensor;
  }
  return tensors;
}

// The device the tests run on: $HEADSCOPE_TEST_DEVICE ("cuda" on a machine with a GPU), or else the CPU.
inline at::Device test_device() {
  const char* name = std::getenv("HEADSCOPE_TEST_DEVICE");
  const auto device = open_device(name ? name : "cpu");
  if (!device.ok()) throw std::runtime_error(device.error().to_string());
  return *device;
}

inline std::shared_ptr<const Model> load_golden(const std::string& name, LoadOptions options = {}) {
  options.device = test_device();
  auto model = load_model(golden_path("models/" + name), options);
  if (!model.ok()) throw std::runtime_error(model.error().to_string());
  return *model;
}

// The largest absolute difference; infinities must be at the same places.
inline double max_error(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const at::Tensor x = a.to(at::kCPU, at::kDouble), y = b.to(at::kCPU, at::kDouble);
  const at::Tensor both = x.isinf().logical_and(y.isinf()).logical_and(x.eq(y));
  return at::where(both, at::zeros_like(x), (x - y).abs()).max().item<double>();
}

inline TokenBatch batch_of(const at::Tensor& tokens) {
  TokenBatch batch;
  batch.tokens = tokens;
  return batch;
}

} // namespace headscope
