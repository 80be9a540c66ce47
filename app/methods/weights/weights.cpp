// SPDX-License-Identifier: GPL-3.0-or-later
// The method `weights`: what weights alone, without prompts, say about heads.
#include <algorithm>

#include "app/methods/base/method.h"
#include "app/methods/base/values.h"
#include "app/methods/weights/weights_store.h"
#include "core/engine/engine.h"

namespace headscope::methods {
namespace {

struct CompositionKind {
  const char* name;
  const std::vector<double>* values;
};
std::vector<CompositionKind> kinds_of(const HeadWeights& found) {
  return {{"q", &found.q_composition}, {"k", &found.k_composition}, {"v", &found.v_composition}};
}

std::string name_at(const HeadWeights& found, std::int64_t number) {
  return head_name({static_cast<int>(number / found.n_heads), number % found.n_heads});
}

// The pairs that compose most.
nlohmann::json strongest_pairs(const HeadWeights& found, const std::vector<double>& values, std::size_t most) {
  const std::vector<std::size_t> order = strongest_first(values, Rank::highest);
  const std::int64_t heads = found.n_layers * found.n_heads;
  nlohmann::json out = nlohmann::json::array();
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i) {
    const auto at = static_cast<std::int64_t>(order[i]);
    out.push_back({{"from", name_at(found, at / heads)},
                   {"to", name_at(found, at % heads)},
                   {"score", number(values[order[i]])}});
  }
  return out;
}

nlohmann::json singular_json(const Model& model, const HeadWeights& found) {
  const auto pieces = [&](const std::vector<std::int64_t>& ids) {
    nlohmann::json out = nlohmann::json::array();
    for (const std::int64_t id : ids)
      out.push_back(token_list(model, {id}));
    return out;
  };
  nlohmann::json out = nlohmann::json::array();
  for (const SingularDirection& each : found.singular)
    out.push_back({{"head", head_name(each.head)},
                   {"value", number(each.value)},
                   {"reads", pieces(each.reads)},
                   {"reads_opposite", pieces(each.reads_opposite)},
                   {"writes", pieces(each.writes)},
                   {"writes_opposite", pieces(each.writes_opposite)}});
  return out;
}

nlohmann::json to_json(const Model& model, const HeadWeights& found, std::size_t most) {
  const auto layers = static_cast<std::size_t>(found.n_layers), heads = static_cast<std::size_t>(found.n_heads);
  nlohmann::json out = {{"singular", singular_json(model, found)}, {"complete", found.complete}};
  if (!found.copying.empty()) out["copying"] = matrix(found.copying, layers, heads);
  if (!found.matching.empty()) out["matching"] = matrix(found.matching, layers, heads);
  if (found.q_composition.empty()) return out;
  for (const CompositionKind& kind : kinds_of(found))
    out["composition"][kind.name] = strongest_pairs(found, *kind.values, most);
  return out;
}

std::string ranked(const HeadWeights& found, const std::vector<double>& values, Rank rank, const char* title) {
  const std::vector<std::size_t> order = strongest_first(values, rank);
  std::string text = std::string(title) + ":";
  for (std::size_t i = 0; i < std::min<std::size_t>(8, order.size()); ++i)
    text += "  " + name_at(found, static_cast<std::int64_t>(order[i])) + " " + fixed(values[order[i]], 3);
  return text + "\n";
}

std::string text_of(const Model& model, const HeadWeights& found, std::size_t most) {
  std::string text;
  if (!found.copying.empty()) {
    text += ranked(found, found.copying, Rank::highest, "copying (OV eigenvalues), most");
    text += ranked(found, found.copying, Rank::lowest, "copying, least");
    text += ranked(found, found.matching, Rank::highest, "matching (QK eigenvalues), most");
    text += ranked(found, found.matching, Rank::lowest, "matching, least");
  }
  if (!found.q_composition.empty())
    for (const CompositionKind& kind : kinds_of(found)) {
      std::vector<std::vector<std::string>> lines = {{std::string(kind.name) + "-composition", "into", "score"}};
      for (const nlohmann::json& pair : strongest_pairs(found, *kind.values, most))
        lines.push_back({pair["from"], pair["to"], fixed(pair["score"].get<double>(), 4)});
      text += "\n" + aligned(lines);
    }
  if (found.singular.empty()) return text;
  std::vector<std::vector<std::string>> lines = {{"head", "singular value", "reads", "writes"}};
  for (const SingularDirection& each : found.singular)
    lines.push_back({head_name(each.head), fixed(each.value, 3),
                     token_list(model, each.reads) + " | " + token_list(model, each.reads_opposite),
                     token_list(model, each.writes) + " | " + token_list(model, each.writes_opposite)});
  return text + "\n" + aligned(lines);
}

class Weights : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "weights",
                                    .summary = "What heads do by their weights alone: copying, matching, composition",
                                    .example =
                                        "headscope weights --model smollm2 --singular 18.6,23.3 --out weights.h5",
                                    .since = "0.2",
                                    .needs_tokenizer = false};
    return info;
  }

  void options(OptionList& list) override {
    list.add("singular", singular_, "Also the singular vectors of the OV circuit of these heads, as tokens")
        .from("0.2");
    list.add("directions", how_.directions, "Singular vectors of each head, the largest").from("0.2").at_least(1);
    list.add("tokens", how_.tokens, "Tokens at each end of a singular vector").in("token").from("0.2").at_least(1);
    list.add("no_composition", no_composition_, "Leave out the composition of pairs of heads").from("0.2");
    list.add("top", top_, "Pairs of heads that are listed; the file has all").in("pair").from("0.2").at_least(0);
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HeadWeightsOptions how = how_;
    how.composition = !no_composition_;
    if (!singular_.empty()) {
      auto heads = parse_heads(singular_, model.config.n_layers, model.config.n_heads);
      if (!heads.ok()) return make_error(heads.error().code, heads.error().message, {}, "--singular");
      how.singular = std::move(*heads);
    }
    HS_ASSIGN(const HeadWeights found, head_weights(model, how, work.context.control()));
    if (work.writer) HS_TRY(store_weights(*work.writer, model, found));
    const auto most = static_cast<std::size_t>(top_);
    return Report{to_json(model, found, most), text_of(model, found, most), found.complete};
  }

private:
  HeadWeightsOptions how_;
  std::string singular_;
  bool no_composition_ = false;
  std::int64_t top_ = 10;
};

} // namespace

std::unique_ptr<Method> make_weights() { return std::make_unique<Weights>(); }

} // namespace headscope::methods
