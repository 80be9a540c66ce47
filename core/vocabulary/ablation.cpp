// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/vocabulary/ablation.h"

namespace headscope {
namespace {

constexpr Named<AblationMethod> ablation_methods[] = {
    {AblationMethod::zero, "zero", "the head writes nothing"},
    {AblationMethod::mean, "mean", "z is its mean over the reference prompts"},
    {AblationMethod::resample, "resample", "z is that of another prompt, positions aligned from the end"},
    {AblationMethod::uniform, "uniform", "the head attends equally to every key that it may see"},
};

constexpr Named<MaskMethod> mask_methods[] = {
    {MaskMethod::uniform, "uniform", "the head attends equally to every key that it may see"},
    {MaskMethod::zero, "zero", "the head writes nothing"},
    {MaskMethod::mean, "mean", "z is its mean over the prompts of the tasks"},
    {MaskMethod::needle, "needle", "scores of the task's needle are -inf"},
};

constexpr Named<Phase> phases[] = {
    {Phase::prefill, "prefill", "while the prompt is processed, but for its last token"},
    {Phase::decode, "decode", "from the last token of the prompt on"},
    {Phase::both, "both", "at every token"},
};

} // namespace

template <> std::span<const Named<AblationMethod>> names_of<AblationMethod>() { return ablation_methods; }
template <> std::span<const Named<MaskMethod>> names_of<MaskMethod>() { return mask_methods; }
template <> std::span<const Named<Phase>> names_of<Phase>() { return phases; }

} // namespace headscope
