// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/attribute/attribute_store.h"

#include <span>

namespace headscope::methods {

Status store_attribution(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                         const DirectLogitAttribution& found) {
  const store::Axis prompts{"prompt", ids}, layers{"layer", {}}, heads{"head", {}};
  const auto put = [&](const char* name, const std::vector<double>& values, std::vector<store::Axis> axes,
                       const char* what) {
    store::ArraySpec spec;
    spec.axes = std::move(axes);
    for (const store::Axis& axis : spec.axes)
      spec.shape.push_back(axis.name == "prompt"  ? found.n_prompts
                           : axis.name == "layer" ? found.n_layers
                                                  : found.n_heads);
    spec.units = "logit";
    spec.long_name = std::string(what) + ", answer minus wrong answer at the last token";
    return writer.add_array(folder + "/" + name, spec, std::span(values));
  };
  HS_TRY(put("heads", found.heads, {prompts, layers, heads}, "what each head writes"));
  HS_TRY(put("mlps", found.mlps, {prompts, layers}, "what each MLP writes"));
  HS_TRY(put("attn_bias", found.attn_bias, {prompts, layers}, "bias of each attention layer"));
  HS_TRY(put("input", found.input, {prompts}, "embedding"));
  HS_TRY(put("constant", found.constant, {prompts}, "bias of final norm and unembedding"));
  return put("total", found.total, {prompts}, "all parts together");
}

} // namespace headscope::methods
