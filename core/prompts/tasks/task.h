// SPDX-License-Identifier: GPL-3.0-or-later
// Tasks: pairs of a clean and a corrupted prompt of equal token length, with the right and the wrong next tokens.
// Generated tasks depend only on the seed, the tokenizer and the options, not on the platform.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/prompts/prompt.h"
#include "core/text/tokenizer.h"

namespace headscope {

// The bytes [begin, end) of the clean prompt, e.g. a word that attention may be steered towards.
struct TaskSpan {
  std::string name; // "wrong"; several may have one name
  std::size_t begin = 0, end = 0;
};

struct TaskExample {
  std::string clean, corrupted;    // both end before the answer, without a space
  std::vector<std::string> answer; // right next tokens of the clean prompt, as text: " Mary"
  std::vector<std::string> wrong;  // wrong ones; may be empty
  std::string variant = {};        // which form of the task it is: "ABBA"
  std::vector<TaskSpan> spans = {};
};

// A kind of generated task. The first counterfactual is the default.
struct TaskKind {
  std::string_view name; // "ioi"
  std::string_view title;
  std::string_view reference;                              // the paper
  std::vector<std::string_view> counterfactuals, variants; // no variants: there is only one form
  bool mixed = true;                                       // a request without a variant takes all, else the first
};
std::vector<TaskKind> task_kinds();
// `-` is read as `_`. Returns not_found, with the names there are, for any other.
Result<TaskKind> find_task(std::string_view name);

struct TaskRequest {
  std::string name;           // of a kind, or a file: NAME.csv, NAME.jsonl (see prompt_file.h)
  std::string counterfactual; // empty: the first of the kind
  std::string variant;        // empty: all, or the first (TaskKind::mixed)
  std::int64_t count = 20;    // of a file: at most so many, 0: all
  std::uint64_t seed = 0;
};

struct TaskCase {
  TaskExample example;
  PatchPair tokens;
};
struct TaskDropped {
  std::string text; // the clean prompt, or a word of a list
  std::string reason;
};
struct TaskSet {
  std::string name, counterfactual; // of a file: its last part, and nothing
  std::vector<TaskCase> cases;
  std::vector<TaskDropped> dropped; // those whose tokens do not align under this tokenizer

  std::string title() const; // "ioi (abc)"
  std::map<std::string, std::int64_t> dropped_by_reason() const;
  std::vector<PatchPair> pairs() const;
  std::vector<AblationPrompt> prompts() const; // the clean ones
};

// Checks what needs no tokenizer: that the name, counterfactual and variant exist and the count is valid.
Status check_task_request(const TaskRequest& request);

// Returns unsupported when fewer than `count` pairs align under this tokenizer; for a file, when none does.
Result<TaskSet> make_task(const Tokenizer& tokenizer, const TaskRequest& request);

} // namespace headscope
