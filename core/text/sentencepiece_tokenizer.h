// SPDX-License-Identifier: GPL-3.0-or-later
// A SentencePiece tokenizer.model, run by the SentencePiece library.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope::text {

struct SentencePieceOptions {
  bool add_bos = false;
  bool add_eos = false;
  std::string chat_template;
};

// Ids and text are the library's own; control symbols written in the text become single ids.
Result<std::unique_ptr<Tokenizer>> load_sentencepiece(const std::string& path, SentencePieceOptions options);

} // namespace headscope::text
