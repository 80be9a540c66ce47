// SPDX-License-Identifier: GPL-3.0-or-later
// A fact that is put into a text, and a question at its end, as methods take them that ask whether it is still found.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/option.h"
#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope::methods {

struct NeedleTask {
  std::vector<std::int64_t> needle, question, answer; // nothing is asked where `answer` is empty
  std::vector<double> depths;                         // shares of the text before the needle, 0 to 1

  std::int64_t size() const { return std::ssize(needle) + std::ssize(question) + std::ssize(answer); }
};

struct NeedleInput {
  std::string needle, question, answer;
  std::vector<double> depths = {0.1, 0.5, 0.9};

  void list(OptionList& list);
  Status check() const;
  // Returns invalid_argument where needle, question and answer are longer than the shortest text.
  Result<NeedleTask> encode(const Tokenizer& tokenizer, std::int64_t shortest_text) const;
};

} // namespace headscope::methods
