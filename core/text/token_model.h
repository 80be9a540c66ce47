// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a tokenizer that turns one piece of text into ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/vocabulary.h"

namespace headscope::text {

// A model keeps views of the vocabulary it was made with, which must outlive it.
class TokenModel {
public:
  virtual ~TokenModel() = default;
  // Appends the ids of non-empty, valid UTF-8. Safe from several threads.
  virtual Status encode(std::string_view piece, std::vector<std::int64_t>& ids) const = 0;
};

} // namespace headscope::text
