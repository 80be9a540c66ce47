// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <array>

#include "tests/store/sample.h"

namespace headscope::store::sample {

inline Status write_ablation(ResultWriter& out) {
  HS_ASSIGN(AblationWriter writer, out.begin_ablation(ablation()));
  std::vector<float> all;
  for (int layer = 0; layer < kLayers; ++layer) {
    for (int head = 0; head < kHeads; ++head)
      all.push_back(effect(0, layer, head));
  }
  HS_TRY(writer.write_layers(0, 0, all));
  HS_TRY(writer.write_clean(0, 3.5F));
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < kHeads; ++head)
      HS_TRY(writer.write_head(1, {layer, head}, effect(1, layer, head)));
  }
  return writer.write_clean(1, 2.5F);
}

// Rows come 7 at a time, which divides neither the tile nor the map.
inline Status write_attention(ResultWriter& out) {
  HS_ASSIGN(AttentionWriter writer, out.begin_attention(attention()));
  for (int begin = 0; begin < kTokens; begin += 7) {
    for (int head = 0; head < 2; ++head) {
      const int end = std::min(begin + 7, head == 0 ? kTokens : 256);
      std::vector<float> rows;
      for (int q = begin; q < end; ++q) {
        for (int k = 0; k < kTokens; ++k)
          rows.push_back(weight(head, q, k));
      }
      if (begin < end) HS_TRY(writer.write_rows(head, begin, rows));
    }
  }
  return {};
}

inline Status write_extras(ResultWriter& out) {
  const ArraySpec lengths{DType::int32, {{"prompt", {"short", "long"}}}, {2}, "token", "length of each prompt", {}, {}};
  HS_TRY(out.add_array("/analysis/lengths", lengths, std::vector<std::int64_t>{4, 300}));
  const ArraySpec curve{DType::float64, {{"depth", {}}}, {3}, "nat", "loss by depth", {{"note", "x"}}, {}};
  HS_TRY(out.add_array(evidence_path("induction", "curve"), curve, std::vector<double>{0.1, 0.2, 0.3}));
  return out.add_table(evidence_path("induction", "runs"),
                       {{{"length", std::vector<std::int64_t>{100, 200}, "token", "length of the context"},
                         {"recall", std::vector<double>{0.5, 1.0}, "1", "ROUGE-1 recall"},
                         {"answer", std::vector<std::string>{"San", "eat a sandwich"}, "text", "what was generated"}},
                        {{"seed", 3}}});
}

inline Status write_all(ResultWriter& out) {
  HS_TRY(out.set_model(model()));
  HS_TRY(out.set_options("induction", {{"length", 50},
                                       {"method", "code"},
                                       {"seeds", std::vector<std::int64_t>{1, 2}},
                                       {"scale", 0.5},
                                       {"strict", false}}));
  HS_TRY(out.add_prompt(prompt()));
  HS_TRY(out.add_scores(scores()));
  HS_TRY(write_extras(out));
  HS_TRY(write_ablation(out));
  HS_TRY(out.add_patching(patching()));
  HS_TRY(write_attention(out));
  return out.add_graph(graph());
}

} // namespace headscope::store::sample
