// SPDX-License-Identifier: GPL-3.0-or-later
// Images as a language model sees them: embeddings in front of the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/engine.h"

namespace headscope {

struct ImagePrefixes {
  std::vector<at::Tensor> images;  // each [token, d_model]: float32, as they enter the first block
  std::vector<std::string> labels; // "random-0", "<image:cat>", "0"
  std::string source;              // "tokens", "random" or the file
};

// Reads a .npy file, or a dataset of an HDF5 file: [token, d_model] or [image, token, d_model], float32 or float64.
// Errors: not_found, corrupt, unsupported (another type of numbers), mismatch (another d_model).
Result<ImagePrefixes> read_images(const std::string& path, const std::string& dataset, const Engine& engine);

// Makes one image of the embedding of each special token that stands for an image ("<image:cat>"); empty where there
// are none.
ImagePrefixes images_of_tokens(const Engine& engine);

// Draws Gaussian rows, each with the mean norm of the embedding's rows.
ImagePrefixes random_images(const Engine& engine, std::int64_t count, std::int64_t tokens, std::uint64_t seed);

} // namespace headscope
