// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/alignment.h"

#include <algorithm>
#include <optional>

namespace headscope {
namespace {

using Ids = std::vector<std::int64_t>;

// Where each word of the text ends; words are separated by spaces and line ends.
std::vector<std::size_t> word_ends(const std::string& text) {
  constexpr const char* blanks = " \n\t";
  std::vector<std::size_t> ends;
  for (std::size_t at = text.find_first_not_of(blanks); at != std::string::npos;
       at = text.find_first_not_of(blanks, at)) {
    at = std::min(text.find_first_of(blanks, at), text.size());
    ends.push_back(at);
  }
  return ends;
}

class Aligner {
public:
  Aligner(const Tokenizer& tokenizer, const TaskExample& example, const TokenizeOptions& options)
      : tokenizer_(tokenizer), example_(example), options_(options) {}

  Result<Alignment> run() {
    HS_ASSIGN(pair_.clean, tokenizer_.encode(example_.clean, options_));
    HS_ASSIGN(pair_.corrupt, tokenizer_.encode(example_.corrupted, options_));
    HS_ASSIGN(const std::string prompts, problem_of_prompts());
    if (!prompts.empty()) return Alignment(prompts);
    HS_ASSIGN(const std::string answers, problem_of_answers());
    if (!answers.empty()) return Alignment(answers);
    return Alignment(std::move(pair_));
  }

private:
  Result<std::string> problem_of_prompts() const {
    if (pair_.clean.empty()) return std::string("the prompt has no tokens");
    if (pair_.clean.size() != pair_.corrupt.size())
      return std::string("the clean and the corrupted prompt have different numbers of tokens");
    if (pair_.clean == pair_.corrupt) return std::string("the corrupted prompt is the clean one");
    const auto clean = word_ends(example_.clean), corrupt = word_ends(example_.corrupted);
    if (clean.size() != corrupt.size()) return std::string();
    std::size_t clean_begin = 0, corrupt_begin = 0;
    for (std::size_t i = 0; i + 1 < clean.size(); ++i) {
      const bool same = example_.clean.substr(clean_begin, clean[i] - clean_begin) ==
                        example_.corrupted.substr(corrupt_begin, corrupt[i] - corrupt_begin);
      clean_begin = clean[i];
      corrupt_begin = corrupt[i];
      if (same) continue;
      HS_ASSIGN(const Ids a, tokenizer_.encode(example_.clean.substr(0, clean[i]), options_));
      HS_ASSIGN(const Ids b, tokenizer_.encode(example_.corrupted.substr(0, corrupt[i]), options_));
      if (a.size() != b.size()) return std::string("words of the two prompts are at different tokens");
    }
    return std::string();
  }

  Result<std::string> problem_of_answers() {
    for (const auto& [texts, ids] :
         {std::pair(&example_.answer, &pair_.answers.answer), {&example_.wrong, &pair_.answers.wrong}}) {
      for (const std::string& text : *texts) {
        HS_ASSIGN(const std::optional<std::int64_t> id, token_of(text, texts->size() == 1));
        if (!id) return std::string("an answer is not one token");
        ids->push_back(*id);
      }
    }
    for (const std::int64_t id : pair_.answers.answer)
      if (std::find(pair_.answers.wrong.begin(), pair_.answers.wrong.end(), id) != pair_.answers.wrong.end())
        return std::string("an answer is both right and wrong");
    return std::string();
  }

  Result<std::optional<std::int64_t>> token_of(const std::string& text, bool single) const {
    const auto id = answer_token(tokenizer_, text);
    if (!id.ok()) {
      if (id.error().code == ErrorCode::mismatch || id.error().code == ErrorCode::invalid_argument)
        return std::optional<std::int64_t>();
      return id.error();
    }
    if (!single) return std::optional(*id);
    HS_ASSIGN(const Ids both, tokenizer_.encode(example_.clean + text, options_));
    // Tokenizers that end texts with EOS put it after the prompt and after the answer.
    std::size_t end = pair_.clean.size();
    if (tokenizer_.eos() && options_.add_special && both.back() == *tokenizer_.eos() &&
        pair_.clean.back() == both.back())
      --end;
    const bool follows =
        both.size() == pair_.clean.size() + 1 && both[end] == *id &&
        std::equal(pair_.clean.begin(), pair_.clean.begin() + static_cast<std::ptrdiff_t>(end), both.begin());
    return follows ? std::optional(*id) : std::optional<std::int64_t>();
  }

  const Tokenizer& tokenizer_;
  const TaskExample& example_;
  const TokenizeOptions& options_;
  PatchPair pair_;
};

} // namespace

Result<Alignment> align(const Tokenizer& tokenizer, const TaskExample& example, const TokenizeOptions& options) {
  return Aligner(tokenizer, example, options).run();
}

} // namespace headscope
