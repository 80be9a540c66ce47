// SPDX-License-Identifier: GPL-3.0-or-later
// A loaded model: configuration, weights, tokenizer, and what it was loaded from.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/base/background.h"
#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/model/config.h"
#include "core/model/weights.h"
#include "core/text/tokenizer.h"

namespace headscope {

struct ModelIdentity {
  std::string name;         // folder or file name without its ending
  std::string path;         // as given by the user, resolved
  std::string format;       // "gguf" or "safetensors"
  std::string quantisation; // what the file stores most of, e.g. "Q4_1", "F32"
  // The weight file's SHA-256; for a folder, see Checkpoint::identity_sha256. It is computed in the background from
  // loading on, since only results need it, and waited for here; "unknown" when the file could not be read to its end.
  std::string sha256() const;
  std::shared_ptr<const Background<std::string>> hash; // null of a model that was not loaded
};

struct Model {
  ModelConfig config;
  ModelWeights weights;
  ModelIdentity identity;
  std::shared_ptr<const Tokenizer> tokenizer; // null when the model has none (small test models)
  std::optional<Error> tokenizer_error;       // why it has none, when there is one that cannot be read
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
};

// Weight changes that leave log-probabilities unchanged, as in TransformerLens; all off by default.
struct WeightProcessing {
  bool fold_ln = false;
  bool center_writing_weights = false;
  bool center_unembed = false;
  bool fold_value_biases = false;
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat; // kFloat, kBFloat16 or kHalf
  at::Device device = at::kCPU;
  WeightProcessing processing;
  int threads = 0;                // for dequantising; 0: all cores
  bool require_tokenizer = false; // else a tokenizer that cannot be read is Model::tokenizer_error
  RunControl control;
};

// `path` is a Hugging Face folder, a .gguf file, or the name of a packaged model ("smollm2", "gemma3-270m").
Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options);

} // namespace headscope
