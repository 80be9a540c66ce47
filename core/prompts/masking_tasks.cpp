// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/masking_tasks.h"

#include <algorithm>

#include "core/base/random.h"
#include "core/prompts/ordinal_lists.h"
#include "core/prompts/reasoning_task.h"
#include "core/prompts/retrieval_prompt.h"
#include "core/prompts/tasks/ioi.h"

namespace headscope {
namespace {

constexpr TokenizeOptions plain{false, false};

// The tokens that the tokenizer puts before a text, e.g. BOS.
Result<std::vector<std::int64_t>> beginning(const Tokenizer& tokenizer) {
  HS_ASSIGN(const auto with, tokenizer.encode("a"));
  HS_ASSIGN(const auto without, tokenizer.encode("a", plain));
  const auto at = std::search(with.begin(), with.end(), without.begin(), without.end());
  return std::vector<std::int64_t>(with.begin(), at == with.end() ? with.begin() : at);
}

// The first `known` tokens are given, the others are to be predicted.
MaskPrompt prediction(std::string id, const std::vector<std::int64_t>& tokens, std::size_t known) {
  MaskPrompt task;
  task.id = std::move(id);
  task.judge = MaskJudge::log_prob;
  const auto border = tokens.begin() + static_cast<std::ptrdiff_t>(known);
  task.prompt.assign(tokens.begin(), border);
  task.continuation.assign(border, tokens.end());
  return task;
}

} // namespace

Result<std::vector<MaskPrompt>> needle_tasks(const Tokenizer& tokenizer, const std::string& haystack,
                                             const NeedleTaskOptions& options) {
  HS_ASSIGN(const auto ids, tokenizer.encode(haystack, plain));
  std::vector<Needle> needles = default_needles();
  needles.resize(std::min(needles.size(), static_cast<std::size_t>(options.needles)));
  std::vector<MaskPrompt> tasks;
  for (const Needle& needle : needles)
    for (const std::int64_t length : spread(options.length_min, options.length_max, options.lengths))
      for (const std::int64_t depth : spread(0, 100, options.depths)) {
        HS_ASSIGN(const RetrievalPrompt prompt,
                  make_retrieval_prompt(tokenizer, ids, needle, {length, depth, options.reserve, options.chat}));
        MaskPrompt task;
        task.id = needle.name + "-" + std::to_string(length) + "-" + std::to_string(depth);
        task.prompt = prompt.ids;
        task.expected = needle.real_needle;
        for (std::int64_t key = prompt.span.begin; key < prompt.span.end; ++key)
          task.needle.push_back(key);
        tasks.push_back(std::move(task));
      }
  return tasks;
}

Result<std::vector<MaskPrompt>> repeated_token_tasks(const Tokenizer& tokenizer, std::int64_t d_vocab,
                                                     std::int64_t count, std::int64_t n, std::uint64_t seed) {
  HS_ASSIGN(const auto begin, beginning(tokenizer));
  const std::int64_t high = std::min<std::int64_t>(9999, d_vocab), low = d_vocab < 2000 ? 0 : 1000;
  Random random(seed);
  std::vector<MaskPrompt> tasks;
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::int64_t> tokens = begin;
    for (std::int64_t j = 0; j < n; ++j)
      tokens.push_back(low + static_cast<std::int64_t>(random.below(static_cast<std::size_t>(high - low))));
    const auto once = tokens.size();
    for (std::size_t j = begin.size(); j < once; ++j)
      tokens.push_back(tokens[j]);
    tasks.push_back(prediction("repeated-" + std::to_string(i), tokens, once + 1)); // the first could not be known
  }
  return tasks;
}

Result<std::vector<MaskPrompt>> ordinal_tasks(const Tokenizer& tokenizer) {
  HS_ASSIGN(const auto begin, beginning(tokenizer));
  std::vector<MaskPrompt> tasks;
  for (const OrdinalList& list : ordinal_lists()) {
    const TokenList known = tokenise_list(list, tokenizer);
    for (const OrdinalPair& pair : known.pairs) {
      // The two words before, which are neighbours in the list.
      const auto before = [&](std::int64_t word) {
        const auto found = std::find_if(known.pairs.begin(), known.pairs.end(),
                                        [&](const OrdinalPair& other) { return other.to == word; });
        return found == known.pairs.end() ? std::int64_t{-1} : found->from;
      };
      const std::int64_t second = before(pair.from), first = second < 0 ? -1 : before(second);
      if (first < 0 || known.held_out) continue;
      std::vector<std::int64_t> tokens = begin;
      for (const std::int64_t word : {first, second, pair.from, pair.to})
        tokens.push_back(known.tokens[static_cast<std::size_t>(word)]);
      tasks.push_back(
          prediction(known.name + "-" + known.words[static_cast<std::size_t>(pair.from)], tokens, tokens.size() - 1));
    }
  }
  if (tasks.empty())
    return make_error(ErrorCode::unsupported, "no four neighbours of an ordinal list are single tokens", {},
                      "tokenizer");
  return tasks;
}

Result<std::vector<MaskPrompt>> ioi_tasks(const Tokenizer& tokenizer, std::int64_t count, std::uint64_t seed) {
  IoiOptions options;
  options.count = count;
  options.seed = seed;
  HS_ASSIGN(const IoiTask made, make_ioi_task(tokenizer, options));
  std::vector<MaskPrompt> tasks;
  for (std::size_t i = 0; i < made.cases.size(); ++i) {
    const IoiCase& item = made.cases[i];
    std::vector<std::int64_t> tokens = item.clean_ids;
    tokens.push_back(item.answer_id);
    tasks.push_back(prediction("ioi-" + std::to_string(i), tokens, item.clean_ids.size()));
    tasks.back().wrong = item.wrong_id;
  }
  return tasks;
}

Result<std::vector<MaskPrompt>> text_tasks(const Tokenizer& tokenizer, const std::string& text, std::int64_t count,
                                           std::int64_t length) {
  HS_ASSIGN(const auto begin, beginning(tokenizer));
  HS_ASSIGN(const auto ids, tokenizer.encode(text, plain));
  const auto fresh = static_cast<std::size_t>(length) - begin.size();
  std::vector<MaskPrompt> tasks;
  for (std::size_t at = 0; at + fresh <= ids.size() && std::ssize(tasks) < count; at += fresh) {
    std::vector<std::int64_t> tokens = begin;
    tokens.insert(tokens.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                  ids.begin() + static_cast<std::ptrdiff_t>(at + fresh));
    tasks.push_back(prediction("text-" + std::to_string(tasks.size()), tokens, begin.size() + 1));
  }
  if (tasks.empty())
    return make_error(ErrorCode::invalid_argument,
                      "has " + std::to_string(ids.size()) + " tokens, one text needs " + std::to_string(fresh), {},
                      "haystack");
  return tasks;
}

Result<ReasoningTasks> reasoning_tasks(const Tokenizer& tokenizer, std::int64_t count, std::int64_t shots,
                                       std::uint64_t seed) {
  ReasoningTasks tasks;
  std::int64_t number = 0;
  for (const ReasoningCase& item : make_reasoning_cases(count, shots, seed)) {
    const auto task_of = [&](const std::string& text, std::vector<MaskPrompt>& list) -> Status {
      MaskPrompt task;
      task.id = item.kind + "-" + std::to_string(number);
      task.judge = MaskJudge::final_answer;
      task.expected = item.answer;
      HS_ASSIGN(task.prompt, tokenizer.encode(text));
      list.push_back(std::move(task));
      return {};
    };
    HS_TRY(task_of(item.direct, tasks.direct));
    HS_TRY(task_of(item.chain, tasks.chain));
    ++number;
  }
  return tasks;
}

} // namespace headscope
