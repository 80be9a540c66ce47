// SPDX-License-Identifier: GPL-3.0-or-later
// ROUGE-1 as Google's rouge_score 0.1.2 computes it, with the Porter stemmer of NLTK that it uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headscope {

// Stems a lower-case ASCII word as NLTK's PorterStemmer does in its default mode.
std::string porter_stem(std::string_view word);

// Splits a text into lower-case runs of a-z and 0-9; those longer than three characters are stemmed.
std::vector<std::string> rouge_tokens(std::string_view text, bool stem = true);

struct RougeScore {
  double precision = 0.0, recall = 0.0, f1 = 0.0;
};

// Measures unigram overlap, with each word counted as often as it occurs in both.
RougeScore rouge1(std::string_view reference, std::string_view candidate, bool stem = true);

} // namespace headscope
