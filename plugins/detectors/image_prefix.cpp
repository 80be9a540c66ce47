// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/image_prefix.h"

#include <ATen/ATen.h>

#include "core/store/array_file.h"
#include "plugins/detectors/evidence.h"

namespace headscope {

Result<ImagePrefixes> read_images(const std::string& path, const std::string& dataset, const Engine& engine) {
  HS_ASSIGN(store::NumberArray array, store::read_array_file(path, dataset));
  const std::int64_t d_model = engine.config().d_model;
  if ((array.shape.size() != 2 && array.shape.size() != 3) || array.shape.back() != d_model || array.values.empty())
    return make_error(ErrorCode::mismatch,
                      "must be [token, d_model] or [image, token, d_model] with a d_model of " +
                          std::to_string(d_model),
                      path, "vision.images");
  const std::int64_t tokens = array.shape[array.shape.size() - 2];
  const at::Tensor all = at::tensor(array.values).view({-1, tokens, d_model});
  if (!all.isfinite().all().item<bool>())
    return make_error(ErrorCode::corrupt, "holds a number that is not finite", path, "vision.images");
  ImagePrefixes out;
  out.source = path;
  for (std::int64_t i = 0; i < all.size(0); ++i) {
    out.images.push_back(all[i]);
    out.labels.push_back(std::to_string(i));
  }
  return out;
}

ImagePrefixes images_of_tokens(const Engine& engine) {
  const Model& model = engine.model();
  ImagePrefixes out;
  out.source = "tokens";
  if (!model.tokenizer) return out;
  for (std::int64_t id = 0; id < std::min(model.tokenizer->vocab_size(), model.config.d_vocab); ++id) {
    if (!model.tokenizer->is_special(id)) continue;
    const std::string piece = model.tokenizer->piece(id);
    if (!piece.starts_with("<image:") || !piece.ends_with(">")) continue;
    out.images.push_back((model.weights.w_e[id].to(at::kFloat) * model.config.embed_scale).unsqueeze(0));
    out.labels.push_back(piece);
  }
  return out;
}

ImagePrefixes random_images(const Engine& engine, std::int64_t count, std::int64_t tokens, std::uint64_t seed) {
  const Model& model = engine.model();
  const std::int64_t d_model = model.config.d_model;
  const double norm = model.weights.w_e.norm(2, {1}).to(at::kDouble).mean().item<double>() * model.config.embed_scale;
  const at::Tensor all =
      at::tensor(normal_numbers(seed, static_cast<std::size_t>(count * tokens * d_model)), at::kDouble)
          .view({count, tokens, d_model});
  ImagePrefixes out;
  out.source = "random";
  for (std::int64_t image = 0; image < count; ++image) {
    const at::Tensor x = all[image];
    out.images.push_back((x * (norm / x.norm(2, {1}, true))).to(at::kFloat));
    out.labels.push_back("random-" + std::to_string(image));
  }
  return out;
}

} // namespace headscope
