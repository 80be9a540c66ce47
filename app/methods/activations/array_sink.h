// SPDX-License-Identifier: GPL-3.0-or-later
// Writes large arrays while they are made: into the result file, a folder of .npy files, or one .safetensors file.
// Nothing gets its final name before finish().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/store/result_file.h"

namespace headscope::methods {

// A '/' in `name` makes groups in a result file, and becomes a dot elsewhere. Types: float16, float32, float64 and
// int64.
struct SinkArray {
  std::string name;
  store::ArraySpec spec;
};

class ArraySink {
public:
  virtual ~ArraySink() = default;
  // Writes rows of an array's first axis from `first` on; they must be contiguous and on the CPU, of any type of the
  // array's kind (integer or floating point).
  virtual Status write(std::size_t array, std::int64_t first, const at::Tensor& rows) = 0;
  // Finishes the arrays. Rows from done[array] on become NaN (not measured), whatever was written there. Arrays of
  // integers must be complete.
  virtual Status finish(const std::vector<std::int64_t>& done) = 0;
};

// Puts arrays below `group`. The writer's owner publishes the file.
Result<std::unique_ptr<ArraySink>> result_file_sink(store::ResultWriter& writer, const std::string& group,
                                                    std::vector<SinkArray> arrays);
// Writes NAME.npy for each array, and index.json, which describes them and says whether they are complete.
Result<std::unique_ptr<ArraySink>> npy_sink(const std::string& folder, bool replace, std::vector<SinkArray> arrays);
// Writes one file, whose metadata say whether it is `complete`.
Result<std::unique_ptr<ArraySink>> safetensors_sink(const std::string& path, bool replace,
                                                    std::vector<SinkArray> arrays);

} // namespace headscope::methods
