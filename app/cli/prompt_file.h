// SPDX-License-Identifier: GPL-3.0-or-later
// Files of prompts: NAME.csv with the columns prompt (or clean), corrupted (or corrupt), answer, wrong; NAME.jsonl with
// an object of these fields a line; any other name: one prompt a line.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::cli {

struct PromptRow {
  std::string prompt, answer, wrong; // answer and wrong may be empty
  std::string place;                 // "line 3", for errors
  std::string corrupted = {};        // may be empty
};

// At least one row, no prompt empty. Errors name the file and the line.
Result<std::vector<PromptRow>> read_prompt_file(const std::string& path);

} // namespace headscope::cli
