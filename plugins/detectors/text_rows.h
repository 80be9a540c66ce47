// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces of running text, all of one length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/sdk/detector.h"

namespace headscope {

// A text of the detector's own in place of --haystack.
OptionSpec text_option();

// That it is there, where one is named.
Status check_own_text(const OptionSet& options, const std::string& id);

// Where a detector's text comes from: its option `text`, where it has one, else --haystack.
struct TextSource {
  std::string path;  // empty: generated from a seed
  std::string field; // what named it, for errors
};
TextSource text_source(const DetectorRun& run);
// SHA-256 of what the user gave; nothing of generated text.
Result<store::Attributes> text_findings(const DetectorRun& run);

// `count` rows of `length` tokens (at most the context), one after the other from the user's text or from a generated
// one; with `bos` each begins as the tokenizer begins a prompt. Fewer where the text is short; invalid_argument where
// it has not one.
Result<std::vector<std::vector<std::int64_t>>> text_rows(const DetectorRun& run, std::int64_t count,
                                                         std::int64_t length, std::uint64_t seed, bool bos = true);

// The beginning of the user's text as one row of at most so many tokens.
Result<std::vector<std::int64_t>> first_row(const DetectorRun& run, std::int64_t most, bool bos);

} // namespace headscope
