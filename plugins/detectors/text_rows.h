// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces of running text of equal length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/sdk/detector.h"

namespace headscope {

// The option for a detector's own text in place of --haystack.
OptionSpec text_option();

// Checks that the text is there, where one is named.
Status check_own_text(const OptionSet& options, const std::string& id);

// The source of a detector's text: its option `text`, where set, otherwise --haystack.
struct TextSource {
  std::string path;  // empty: generated from a seed
  std::string field; // what named it, for errors
};
TextSource text_source(const DetectorRun& run);
// The SHA-256 of the user's text; nothing for generated text.
Result<store::Attributes> text_findings(const DetectorRun& run);

// Makes `count` rows of `length` tokens (at most the context), consecutive from the user's text or from a generated
// one; with `bos` each begins as the tokenizer begins a prompt. There are fewer where the text is short, and
// invalid_argument where it has not even one.
Result<std::vector<std::vector<std::int64_t>>> text_rows(const DetectorRun& run, std::int64_t count,
                                                         std::int64_t length, std::uint64_t seed, bool bos = true);

// The beginning of the user's text as one row of at most `most` tokens.
Result<std::vector<std::int64_t>> first_row(const DetectorRun& run, std::int64_t most, bool bos);

} // namespace headscope
