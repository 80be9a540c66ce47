// SPDX-License-Identifier: GPL-3.0-or-later
// Unigram language model: finds the segmentation with the highest sum of scores.
#pragma once

#include <cstdint>
#include <vector>

#include "core/text/token_model.h"

namespace headscope::text {

struct UnigramOptions {
  std::int64_t unk = -1;      // -1: a character outside the vocabulary is an error
  bool byte_fallback = false; // unknown text becomes "<0xAB>" pieces where those exist
};

// scores[id] is the log probability of the piece.
std::unique_ptr<TokenModel> make_unigram(const Vocabulary& vocabulary, std::vector<double> scores,
                                         UnigramOptions options);

} // namespace headscope::text
