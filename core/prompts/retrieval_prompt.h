// SPDX-License-Identifier: GPL-3.0-or-later
// Needle-in-a-haystack prompts as Wu et al. make them (2404.15574, nightdessert/Retrieval_Head).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/prompts/haystack.h"
#include "core/text/tokenizer.h"

namespace headscope {

// Whether questions use the model's chat template: "on", "off", or "auto" (where it has one).
bool uses_chat(const Tokenizer& tokenizer, const std::string& chat);

// Computes round(linspace(first, last, count)); a count of one gives `first`.
std::vector<std::int64_t> spread(std::int64_t first, std::int64_t last, std::int64_t count);

// Puts the needle's tokens into the context at int(n * depth / 100), moved back to just after a full stop; depth 100
// appends. `ends_sentence` says which tokens are full stops.
std::vector<std::int64_t> insert_needle(const std::vector<std::int64_t>& context,
                                        const std::vector<std::int64_t>& needle, std::int64_t depth,
                                        const std::vector<bool>& ends_sentence);

struct Span {
  std::int64_t begin = 0, end = 0;
};

// Finds the first window of |needle| tokens that holds more than 0.9 of the needle's distinct tokens.
std::optional<Span> find_needle(const std::vector<std::int64_t>& prompt, const std::vector<std::int64_t>& needle);

struct RetrievalPromptOptions {
  std::int64_t length = 0;    // tokens; the context gets length - reserve - |needle| of them
  std::int64_t depth = 0;     // 0 to 100
  std::int64_t reserve = 200; // for the question and the answer
  bool chat = false;          // in the model's chat template
};

struct RetrievalPrompt {
  std::vector<std::int64_t> ids;
  std::string text;
  std::vector<std::int64_t> needle_ids; // of the part that is scored
  Span span;                            // of it in ids
};

// Returns invalid_argument when the length leaves no room, mismatch when the needle cannot be found again in the
// tokens.
Result<RetrievalPrompt> make_retrieval_prompt(const Tokenizer& tokenizer, const std::vector<std::int64_t>& haystack,
                                              const Needle& needle, const RetrievalPromptOptions& options);

} // namespace headscope
