// SPDX-License-Identifier: GPL-3.0-or-later
// Files of needles: NAME.csv with the columns needle, question, answer; NAME.jsonl with one object of these fields per
// line; NAME.json with a list of such objects, or an object that holds it as "needles". `answer` (or real_needle, as
// the authors of retrieval heads call it) is the part of the needle that answers the question. `name` is optional.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/prompts/haystack.h"

namespace headscope {

struct NeedleFile {
  std::vector<Needle> needles; // each with its own name; "needle-0" where the file gives none
  std::string sha256;          // of the file
};

// Reads at least one needle. Errors name the file, the place and the field.
Result<NeedleFile> read_needle_file(const std::string& path);

} // namespace headscope
