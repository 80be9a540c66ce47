// SPDX-License-Identifier: GPL-3.0-or-later
// Where large arrays go while they are made: into the result file, into a folder of .npy files, or into one
// .safetensors file. Nothing has its final name before finish().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/store/result_file.h"

namespace headscope::methods {

// `name` may have '/': groups of the result file, dots elsewhere. Types: float16, float32, float64 and int64.
struct SinkArray {
  std::string name;
  store::ArraySpec spec;
};

class ArraySink {
public:
  virtual ~ArraySink() = default;
  // Rows of an array's first axis from `first` on, dense and on the CPU, of any type of that kind.
  virtual Status write(std::size_t array, std::int64_t first, const at::Tensor& rows) = 0;
  // Rows from done[array] on are not measured: NaN, whatever was written there. An array of integers is done.
  virtual Status finish(const std::vector<std::int64_t>& done) = 0;
};

// Arrays below `group`. The writer's owner publishes the file.
Result<std::unique_ptr<ArraySink>> result_file_sink(store::ResultWriter& writer, const std::string& group,
                                                    std::vector<SinkArray> arrays);
// NAME.npy for each, and index.json, which says what they are and whether they are complete.
Result<std::unique_ptr<ArraySink>> npy_sink(const std::string& folder, bool replace, std::vector<SinkArray> arrays);
// One file; its metadata say `complete`.
Result<std::unique_ptr<ArraySink>> safetensors_sink(const std::string& path, bool replace,
                                                    std::vector<SinkArray> arrays);

} // namespace headscope::methods
