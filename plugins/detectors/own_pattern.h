// SPDX-License-Identifier: GPL-3.0-or-later
// An attention pattern given by the user to compare heads with: a rule, or a matrix in a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/store/result_types.h"
#include "core/vocabulary/named.h"

namespace headscope {

enum class PatternRule : std::uint8_t { first, current, previous, same_token, after_same_token };
template <> std::span<const Named<PatternRule>> names_of<PatternRule>();

// The pattern [query, key]: 1 where the rule attends.
at::Tensor rule_pattern(PatternRule rule, const at::Tensor& tokens);

struct OwnPattern {
  std::string name; // the rule, or the file
  std::optional<PatternRule> rule;
  at::Tensor matrix;          // of a file [query, key]
  bool is_mask = true;        // every entry is 0 or 1
  store::Attributes findings; // of a file its SHA-256
};

// Reads a rule's name, or a .npy (float32 or float64) or .csv file (numbers, one query per line) with a square matrix
// that is zero above the diagonal. Errors name the file, query and key; the field begins with `option`.
Result<OwnPattern> read_pattern(const std::string& text, const std::string& option);

// The pattern for a text of these tokens; invalid_argument where the file's matrix has another size.
Result<at::Tensor> pattern_on(const OwnPattern& pattern, const at::Tensor& tokens, const std::string& option);

} // namespace headscope
