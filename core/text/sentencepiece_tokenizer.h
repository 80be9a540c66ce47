// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a SentencePiece tokenizer.model with the SentencePiece library.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/text/pipeline.h"
#include "core/text/tokenizer.h"

namespace headscope::text {

struct SentencePieceOptions {
  bool add_bos = false;
  bool add_eos = false;
  std::string chat_template, chat_file;
  std::vector<AddedToken> added;  // after the model's own pieces, in this order
  std::string bos, eos, unk, pad; // contents that replace the model's own; may be empty
  std::vector<std::int64_t> ends; // see Tokenizer::end_ids()
};

// Ids and text are the library's own; control symbols written in the text become single ids.
Result<std::unique_ptr<Tokenizer>> load_sentencepiece(const std::string& path, SentencePieceOptions options);

// Turns a BPE model into the parts that transformers makes of it; nothing where it is not a BPE model. `scheme` says
// where a space is put before the text. Byte pieces, control and user-defined symbols are found by their types.
Result<std::optional<PipelineParts>> read_sentencepiece_bpe(const std::string& path, PrependScheme scheme);

} // namespace headscope::text
