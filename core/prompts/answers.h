// SPDX-License-Identifier: GPL-3.0-or-later
// The right and the wrong next tokens of a prompt.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope {

// Token ids that a prompt should and should not be continued with.
struct Answers {
  std::vector<std::int64_t> answer;
  std::vector<std::int64_t> wrong;
};

// The one token that continues a text with `text`, e.g. " Mary"; mismatch, naming the tokens, when it takes several.
Result<std::int64_t> answer_token(const Tokenizer& tokenizer, std::string_view text);

} // namespace headscope
