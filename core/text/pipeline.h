// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer made of parts: added tokens, normalizers, pre-tokenizers, a model, special ids around the text,
// decoders.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/token_model.h"
#include "core/text/tokenizer.h"

namespace headscope::text {

// How pieces spell bytes, for Tokenizer::text().
enum class Spelling { plain, byte_level, metaspace };

struct PipelineParts {
  std::unique_ptr<Vocabulary> vocabulary; // the model's own pieces
  std::unique_ptr<TokenModel> model;
  std::int64_t listed = 0; // entries of a list that may repeat pieces: further tokens come after them
  AddedTokens added;
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  Decoders decoders;                // none: pieces are joined by spaces, as the tokenizers library does
  std::vector<std::int64_t> prefix; // put before and after a text by add_special
  std::vector<std::int64_t> suffix;
  std::optional<std::int64_t> bos, eos, unk, pad;
  std::vector<std::int64_t> ends; // where generation ends; empty: at eos
  Spelling spelling = Spelling::plain;
  std::string kind;
  std::string chat_template;
  std::string file;      // that the parts are from, for messages
  std::string chat_file; // that the template is from
};

// The id of a token: the added one, or the model's piece; -1: no such token.
std::int64_t token_id(const PipelineParts& parts, std::string_view content);

// Adds a token; if neither the model nor an added token has its content it takes the next free id.
std::int64_t add_token(PipelineParts& parts, AddedToken token);

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts);

} // namespace headscope::text
