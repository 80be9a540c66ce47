// SPDX-License-Identifier: GPL-3.0-or-later
// Reads tokenizer.json of the tokenizers library.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/text/pipeline.h"

namespace headscope::text {

// Errors: corrupt (with the field) for a broken file, unsupported for a component that is not known.
Result<PipelineParts> read_tokenizer_json(const std::string& path);

// Reads the model and the byte-level parts from vocab.json and merges.txt.
Result<PipelineParts> read_vocab_and_merges(const std::string& vocab_path, const std::string& merges_path);

} // namespace headscope::text
