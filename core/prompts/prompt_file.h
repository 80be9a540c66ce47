// SPDX-License-Identifier: GPL-3.0-or-later
// Files of prompts: NAME.csv with the columns prompt (or clean), corrupted (or corrupt), answer, wrong; NAME.jsonl with
// one object of these fields per line; NAME.json with a list of such objects or of texts, or an object that holds it as
// "pairs" (as `headscope tasks make` writes it) or "prompts"; NAME.txt or a name without an ending: one prompt a line.
// Other endings are refused. Several answers are separated by '|', or are a list in JSON.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

struct PromptRow {
  std::string prompt, answer, wrong; // answer and wrong may be empty
  std::string place;                 // "line 3", for errors
  std::string corrupted = {};        // may be empty
};

// Splits the answers of a field: " 33| 34" is two answers. A '|' alone is itself an answer.
std::vector<std::string> split_answers(const std::string& text);
std::string join_answers(const std::vector<std::string>& answers);

// Reads at least one row; no prompt may be empty. Errors name the file and the line.
Result<std::vector<PromptRow>> read_prompt_file(const std::string& path);

} // namespace headscope
