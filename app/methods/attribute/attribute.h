// SPDX-License-Identifier: GPL-3.0-or-later
// The method `attribute`: what each part of the model adds to the answer's logit (direct logit attribution).
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/inputs/prompt_set.h"

namespace headscope::methods {

struct AttributeOptions {
  PromptSetOptions prompts;
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

std::unique_ptr<Cells> make_attribute_cells(const AttributeOptions& options);
std::unique_ptr<Method> make_attribute();

} // namespace headscope::methods
