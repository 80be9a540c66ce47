// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "core/model/families/family.h"

namespace headscope {
namespace {

const Family* find_family(std::string_view name, std::vector<std::string> Family::*names) {
  for (const Family& family : all_families()) {
    const auto& list = family.*names;
    if (std::find(list.begin(), list.end(), name) != list.end()) return &family;
  }
  return nullptr;
}

} // namespace

const std::vector<Family>& all_families() {
  static const std::vector<Family> families = {
      gpt2_family(),
      gpt_neox_family(),
      llama_family(),
      mistral_family(),
      qwen2_family(),
      qwen3_family(),
      gemma_family(),
      gemma2_family(),
      gemma3_family(),
      opt_family(),
      hooked_transformer_family(),
  };
  return families;
}

const Family* family_of_model_type(std::string_view model_type) {
  return find_family(model_type, &Family::model_types);
}

const Family* family_of_gguf(std::string_view architecture) {
  return find_family(architecture, &Family::gguf_architectures);
}

} // namespace headscope
