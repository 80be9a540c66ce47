// SPDX-License-Identifier: GPL-3.0-or-later
// Indirect-object prompts (Wang et al. 2211.00593): "Then, Mary and John went to the park. John gave a book to". Cases
// depend only on the seed and the tokenizer, not on the platform.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/prompts/prompt.h"
#include "core/text/tokenizer.h"
#include "core/vocabulary/named.h"

namespace headscope {

struct IoiOptions {
  std::int64_t count = 100;
  std::uint64_t seed = 0;
  bool abba = true; // indirect object first: "Mary and John ... John gave"
  bool baba = true; // subject first: "John and Mary ... John gave"
};

struct IoiCase {
  std::string clean;         // ends before the answer, without a space
  std::string abc;           // the same sentence with three other names: nothing tells the answer
  std::string flip;          // the second subject is the indirect object instead: the answer is `wrong`
  std::string answer, wrong; // " Mary", " John"
  std::string order;         // "ABBA" or "BABA"
  std::vector<std::int64_t> clean_ids, abc_ids, flip_ids; // of one length, equal but for the names
  std::int64_t answer_id = 0, wrong_id = 0;
  std::int64_t io_position = 0, s1_position = 0, s2_position = 0; // of the names in clean_ids
};

struct IoiDropped {
  std::string text; // a word of the lists, or a prompt
  std::string reason;
};

struct IoiTask {
  std::vector<IoiCase> cases;
  std::vector<IoiDropped> dropped; // words that are not single tokens; cases whose tokens do not align
};

// Returns unsupported when fewer than five names or no place or object is a single token of this tokenizer.
Result<IoiTask> make_ioi_task(const Tokenizer& tokenizer, const IoiOptions& options);

enum class IoiCorruption : std::uint8_t {
  abc,  // the same sentence with three other names: nothing tells the answer
  flip, // the second subject is the indirect object instead: the answer is `wrong`
};
template <> std::span<const Named<IoiCorruption>> names_of<IoiCorruption>();
std::vector<AblationPrompt> ablation_prompts(const IoiTask& task);
std::vector<PatchPair> patch_pairs(const IoiTask& task, IoiCorruption corruption);

} // namespace headscope
