// SPDX-License-Identifier: GPL-3.0-or-later
// One file with everything in it. read_sample.py computes the same values independently.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/store/result_file.h"

namespace headscope::store::sample {

inline constexpr int kLayers = 3;
inline constexpr int kHeads = 4;
inline constexpr int kTokens = 300; // more than one tile

inline Provenance provenance() { return {"0.1.0", "2.11.0", "headscope detect --model \"m\u00f6del\"", {7, -1}}; }

inline Attributes model() {
  return {{"name", "SmolLM2"},   {"architecture", "llama"},
          {"path", "m.gguf"},    {"sha256", std::string(64, 'a')},
          {"n_layers", kLayers}, {"rope_theta", 10000.5},
          {"tied", true},        {"quantisation", std::vector<std::string>{"Q4_1", "F32"}}};
}

inline Prompt prompt(const std::string& id = "ioi-1") {
  Prompt out;
  out.id = id;
  out.text = "When Mary and J\u00fcrgen \U0001F469\u200D\U0001F680";
  out.token_ids = {5, 49151, 0, 7};
  out.token_pieces = {"When", "\u0120Mary", "\u0120and", "<|end|>"};
  out.token_texts = {"When", " Mary", " and", std::string("\xf0\x9f", 2)}; // half of a character
  out.attributes = {{"role", "clean"}};
  return out;
}

inline DetectorScores scores() {
  DetectorScores out;
  out.name = "induction";
  out.n_layers = kLayers;
  out.n_heads = kHeads;
  for (int i = 0; i < kLayers * kHeads; ++i)
    out.scores.push_back(static_cast<float>(i) / 16.0F);
  out.scores[1] = NAN;
  out.description = "mean attention on the induction stripe";
  out.threshold = 0.6;
  out.heads = {{2, 3}, {2, 2}};
  out.attributes = {{"runs_kept", 12}};
  return out;
}

inline AblationSpec ablation() {
  AblationSpec out;
  out.name = "zero";
  out.n_layers = kLayers;
  out.n_heads = kHeads;
  out.prompts = {"ioi-1", "ioi-2", "ioi-3"};
  out.method = "zero";
  out.phase = "prefill";
  out.metric = "logit difference";
  return out;
}

// The effects of prompts 0 and 1; prompt 2 is never measured, prompt 1 only in layers 0 and 1.
inline float effect(int prompt, int layer, int head) {
  return static_cast<float>(prompt * 100 + layer * 10 + head) * 0.25F;
}

inline Patching patching() {
  Patching out;
  out.spec.name = "resid_pre";
  out.spec.site = "resid_pre";
  out.spec.axes = {"layer", "position"};
  out.spec.shape = {kLayers, 4};
  out.spec.metric = "logit difference";
  out.spec.clean = 3.5;
  out.spec.corrupt = -1.25;
  out.spec.clean_tokens = {"a", "b", "c", "d"};
  out.spec.corrupt_tokens = {"a", "x", "c", "d"};
  for (int i = 0; i < kLayers * 4; ++i)
    out.restored.push_back(static_cast<float>(i) / 11.0F);
  return out;
}

inline AttentionSpec attention() {
  AttentionSpec out;
  out.prompt = "map";
  out.heads = {{2, 3}, {0, 1}};
  out.n_query = kTokens;
  out.n_key = kTokens;
  return out;
}

// Causal weights: every row of head index 0, and the rows below 256 of head index 1.
inline float weight(int head_index, int query, int key) {
  return key > query ? 0.0F : static_cast<float>((query * 7 + key * 3 + head_index) % 1000) / 1000.0F;
}

inline Graph graph() {
  Graph out;
  out.name = "ioi";
  out.metric = "logit difference";
  out.task = "indirect object";
  out.units = "logit";
  out.nodes = {{"input", -1, -1, "input"}, {"0.1", 0, 1, "head"}, {"logits", -1, -1, "output"}};
  out.nodes[1].score = 0.75;
  out.nodes[1].in_circuit = true;
  out.edges = {{0, 1, "q", 0.5, true}, {1, 2, "out", -0.125}};
  return out;
}

} // namespace headscope::store::sample
