// SPDX-License-Identifier: GPL-3.0-or-later
// Shows and stores the texts that a target responds to most.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/examples/target.h"
#include "core/analysis/top_examples.h"
#include "core/prompts/corpus.h"
#include "core/store/result_file.h"

namespace headscope::methods {

struct ExamplesResult {
  Target target;
  Corpus corpus;
  Examples found;
  std::vector<double> quantiles; // which they are
};

Report examples_report(const ExamplesResult& result, const Tokenizer& tokenizer);

// Stores /examples/TARGET: the tables texts and quantiles, and the arrays values and token_ids [rank, position].
Status store_examples(store::ResultWriter& writer, const ExamplesResult& result, const Tokenizer& tokenizer);

} // namespace headscope::methods
