// SPDX-License-Identifier: GPL-3.0-or-later
// Word tokenizers that split years as GPT-2 does, or into single digits as Llama does.
#pragma once

#include <cctype>

#include "tests/prompts/word_tokenizer.h"

namespace headscope::test {

class YearTokenizer : public WordTokenizer {
public:
  explicit YearTokenizer(std::size_t digits) : digits_(digits) {}

  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options) const override {
    std::vector<std::int64_t> ids;
    std::string plain;
    const auto flush = [&]() -> Status {
      if (plain.empty()) return {};
      HS_ASSIGN(const auto some, WordTokenizer::encode(plain, {false, true}));
      ids.insert(ids.end(), some.begin(), some.end());
      plain.clear();
      return {};
    };
    if (options.add_special) ids.push_back(*bos());
    for (std::size_t i = 0; i < utf8.size();) {
      const bool digit = std::isdigit(static_cast<unsigned char>(utf8[i])) != 0;
      if (digit) {
        HS_TRY(flush());
        std::string number;
        while (i < utf8.size() && number.size() < digits_ && std::isdigit(static_cast<unsigned char>(utf8[i])) != 0)
          number += utf8[i++];
        ids.push_back(*id_of_piece(number));
      } else {
        // A line end is a token, and so is a space with the word after it.
        if (utf8[i] == '\n') HS_TRY(flush());
        plain += utf8[i++];
        if (plain == "\n") HS_TRY(flush());
      }
    }
    HS_TRY(flush());
    return ids;
  }

private:
  std::size_t digits_;
};

inline YearTokenizer gpt2_like() { return YearTokenizer(2); }
inline YearTokenizer digit_tokens() { return YearTokenizer(1); }

} // namespace headscope::test
