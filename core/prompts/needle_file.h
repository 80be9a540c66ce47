// SPDX-License-Identifier: GPL-3.0-or-later
// Files of needles: NAME.csv with the columns needle, question, answer; NAME.jsonl with an object of these fields a
// line; NAME.json with a list of such objects, or an object that holds it as "needles". `answer` (or real_needle, as
// the authors of retrieval heads call it) is the part of the needle that answers the question. `name` may be there.
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

// At least one. Errors name the file, the place and the field.
Result<NeedleFile> read_needle_file(const std::string& path);

} // namespace headscope
