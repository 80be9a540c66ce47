// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/heads.h"

#include "app/runs/head_names.h"

namespace headscope::cli {

std::string head_name(const HeadId& head) { return std::to_string(head.layer) + "." + std::to_string(head.head); }

Result<std::vector<HeadId>> parse_heads(const std::string& text, const ModelConfig& config) {
  HS_ASSIGN(const auto names, parse_head_names(text, config.n_layers, config.n_heads));
  std::vector<HeadId> heads;
  for (const store::HeadIndex& head : names)
    heads.push_back({head.layer, head.head});
  return heads;
}

} // namespace headscope::cli
