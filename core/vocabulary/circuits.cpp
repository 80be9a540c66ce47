// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/vocabulary/circuits.h"

namespace headscope {
namespace {

constexpr Named<ScoreMethod> score_methods[] = {
    {ScoreMethod::exact, "exact", "each edge is patched: one forward pass an edge"},
    {ScoreMethod::eap, "eap", "one gradient at the receiver's input on the clean run"},
    {ScoreMethod::eap_ig_inputs, "eap_ig_inputs", "gradients at inputs between the corrupt and the clean one"},
    {ScoreMethod::eap_ig_activations, "eap_ig_activations",
     "gradients while the outputs of one layer's heads, one MLP or the input are between corrupt and clean"},
    {ScoreMethod::clean_corrupted, "clean_corrupted", "gradients on the clean and on the corrupt run"},
};

constexpr Named<EdgeAblation> edge_ablations[] = {
    {EdgeAblation::patch, "patch", "what the sender writes on the corrupt prompt"},
    {EdgeAblation::zero, "zero", "nothing"},
    {EdgeAblation::mean, "mean", "its mean over the reference prompts and their positions"},
    {EdgeAblation::mean_by_position, "mean_by_position", "its mean over the reference prompts at each position"},
};

constexpr Named<BuildRule> build_rules[] = {
    {BuildRule::top_n, "top_n", "the N most important edges"},
    {BuildRule::greedy, "greedy", "from the logits up, always the most important edge into what is reached already"},
    {BuildRule::threshold, "threshold", "every edge at least this important"},
};

} // namespace

template <> std::span<const Named<ScoreMethod>> names_of<ScoreMethod>() { return score_methods; }
template <> std::span<const Named<EdgeAblation>> names_of<EdgeAblation>() { return edge_ablations; }
template <> std::span<const Named<BuildRule>> names_of<BuildRule>() { return build_rules; }

} // namespace headscope
