// SPDX-License-Identifier: GPL-3.0-or-later
// Values that the window and the engine's thread exchange, without Torch and Qt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/vocabulary/ablation.h"
#include "core/vocabulary/head_id.h"

namespace headscope::gui {

struct ModelInfo {
  std::string name, path, architecture, format, quantisation, sha256, dtype, device;
  int n_layers = 0, n_heads = 0, n_kv_heads = 0;
  std::int64_t d_model = 0, d_head = 0, d_mlp = 0, d_vocab = 0, n_ctx = 0;
  std::int64_t n_parameters = 0, bytes = 0; // of the weights as they are in memory
  bool has_chat_template = false;
  std::string parity; // how close its logits were to the reference's; empty: this file was not compared
};

struct TokenInfo {
  std::int64_t id = 0;
  std::string piece; // as in the vocabulary: "ĠParis"
  std::string text;  // the bytes it stands for; may be a fragment of a UTF-8 character
  bool special = false;
};

// One head that is ablated.
struct AblatedHead {
  HeadId head;
  AblationMethod how = AblationMethod::zero;
  Phase when = Phase::both;
  friend bool operator==(const AblatedHead&, const AblatedHead&) = default;
};

// A candidate for the next token.
struct Candidate {
  TokenInfo token;
  double logit = 0.0, probability = 0.0;
};

} // namespace headscope::gui
