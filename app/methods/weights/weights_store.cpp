// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/weights/weights_store.h"

#include <span>

#include "core/store/column_values.h"

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
  using Direction = SingularDirection;
  const auto column = [&](auto of) { return store::column_values(found.singular, of); };
  const auto tokens = [&](std::vector<std::int64_t> Direction::*end) {
    return column([&](const Direction& each) { return token_list(model, each.*end); });
  };
  std::vector<std::int64_t> ranks;
  for (std::size_t i = 0; i < found.singular.size(); ++i)
    ranks.push_back(i > 0 && found.singular[i - 1].head == found.singular[i].head ? ranks.back() + 1 : 0);
  return {{{"head", column([](const Direction& each) { return head_name(each.head); }), "label", "head"},
           {"rank", ranks, "index", "0: the largest singular value of the head's W_OV"},
           {"value", column(&Direction::value), "1", "singular value"},
           {"reads", tokens(&Direction::reads), "label",
            "tokens whose embedding is furthest along the direction that is read"},
           {"reads_opposite", tokens(&Direction::reads_opposite), "label", "tokens at the other end of it"},
           {"writes", tokens(&Direction::writes), "label", "tokens whose logit the written direction raises most"},
           {"writes_opposite", tokens(&Direction::writes_opposite), "label", "tokens at the other end of it"}},
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
