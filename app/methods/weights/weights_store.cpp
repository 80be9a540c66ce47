// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/weights/weights_store.h"

#include <span>

namespace headscope::methods {
namespace {

Status store_scores(store::ResultWriter& writer, const HeadWeights& found) {
  store::ArraySpec spec;
  spec.axes = {{"layer", {}}, {"head", {}}};
  spec.shape = {found.n_layers, found.n_heads};
  spec.units = "1";
  spec.long_name = "sum of the eigenvalues of W_E W_OV W_U over the sum of their sizes";
  HS_TRY(writer.add_array("/weights/copying", spec, std::span(found.copying)));
  spec.long_name = "sum of the eigenvalues of W_E W_QK W_E^T over the sum of their sizes";
  return writer.add_array("/weights/matching", spec, std::span(found.matching));
}

Status store_composition(store::ResultWriter& writer, const HeadWeights& found) {
  store::ArraySpec spec;
  spec.axes = {{"layer", {}}, {"head", {}}, {"later_layer", {}}, {"later_head", {}}};
  spec.shape = {found.n_layers, found.n_heads, found.n_layers, found.n_heads};
  spec.units = "1";
  for (const auto& [name, product, values] : {std::tuple("q_composition", "W_OV W_QK'", &found.q_composition),
                                              {"k_composition", "W_OV W_QK'^T", &found.k_composition},
                                              {"v_composition", "W_OV W_OV'", &found.v_composition}}) {
    spec.long_name = std::string("norm of ").append(product).append(" over the product of the norms of its factors");
    HS_TRY(writer.add_array(std::string("/weights/").append(name), spec, std::span(*values)));
  }
  return {};
}

store::Table singular_table(const Model& model, const HeadWeights& found) {
  std::vector<std::string> heads, reads, reads_opposite, writes, writes_opposite;
  std::vector<std::int64_t> ranks;
  std::vector<double> values;
  for (const SingularDirection& each : found.singular) {
    ranks.push_back(!heads.empty() && heads.back() == head_name(each.head) ? ranks.back() + 1 : 0);
    heads.push_back(head_name(each.head));
    values.push_back(each.value);
    reads.push_back(token_list(model, each.reads));
    reads_opposite.push_back(token_list(model, each.reads_opposite));
    writes.push_back(token_list(model, each.writes));
    writes_opposite.push_back(token_list(model, each.writes_opposite));
  }
  return {{{"head", heads, "label", "head"},
           {"rank", ranks, "index", "0: the largest singular value of the head's W_OV"},
           {"value", values, "1", "singular value"},
           {"reads", reads, "label", "tokens whose embedding is furthest along the direction that is read"},
           {"reads_opposite", reads_opposite, "label", "tokens at the other end of it"},
           {"writes", writes, "label", "tokens whose logit the written direction raises most"},
           {"writes_opposite", writes_opposite, "label", "tokens at the other end of it"}},
          {}};
}

} // namespace

std::string token_list(const Model& model, const std::vector<std::int64_t>& ids) {
  std::string text;
  for (const std::int64_t id : ids) {
    if (!text.empty()) text += " ";
    text += model.tokenizer ? model.tokenizer->piece(id) : std::to_string(id);
  }
  return text;
}

Status store_weights(store::ResultWriter& writer, const Model& model, const HeadWeights& found) {
  if (!found.copying.empty()) HS_TRY(store_scores(writer, found));
  if (!found.q_composition.empty()) HS_TRY(store_composition(writer, found));
  if (found.singular.empty()) return {};
  return writer.add_table("/weights/singular", singular_table(model, found));
}

} // namespace headscope::methods
