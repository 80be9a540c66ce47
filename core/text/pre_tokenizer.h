// SPDX-License-Identifier: GPL-3.0-or-later
// Pre-tokenizers of tokenizer.json: cut a text into the pieces that the model encodes one by one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/text/regex.h"

namespace headscope::text {

// A stretch of the input without added tokens, and how far it is cut. Spans are non-empty and in order.
struct Segment {
  std::string text;
  std::vector<Span> spans;
  bool at_start = false; // the segment begins the input

  std::string_view view(const Span& span) const {
    return std::string_view(text).substr(span.begin, span.end - span.begin);
  }
};

class PreTokenizer {
public:
  virtual ~PreTokenizer() = default;
  virtual Status apply(Segment& segment) const = 0;
};
using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };
enum class PrependScheme { first, never, always };
enum class SplitCharacters { digit, digits, whitespace, punctuation };

// `invert`: the pattern matches the pieces, not what separates them.
std::unique_ptr<PreTokenizer> split_pattern(Regex pattern, SplitBehavior behavior, bool invert);
std::unique_ptr<PreTokenizer> split_characters(SplitCharacters characters, SplitBehavior behavior);
Result<std::unique_ptr<PreTokenizer>> split_byte_level(bool add_prefix_space, bool use_regex);
Result<std::unique_ptr<PreTokenizer>> split_metaspace(const std::string& replacement, PrependScheme scheme, bool split);

} // namespace headscope::text
