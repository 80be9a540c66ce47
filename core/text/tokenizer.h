// SPDX-License-Identifier: GPL-3.0-or-later
// Turns text into token ids and back, exactly as Hugging Face transformers does with the same files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace headscope {

class GgufFile;

struct TokenizeOptions {
  bool add_special = true;   // BOS and EOS as the model's own post-processor adds them
  bool parse_special = true; // added tokens written in the text become single ids; false: special ones stay text
};

// Immutable after loading; every member may be called from several threads at once.
class Tokenizer {
public:
  virtual ~Tokenizer() = default;

  // The token ids of a text. Invalid UTF-8 is read as Python's decode(errors="replace") reads it; NUL is a character.
  virtual Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options = {}) const = 0;

  // The text of the ids; ids outside the vocabulary are skipped. Incomplete UTF-8 becomes U+FFFD.
  virtual std::string decode(std::span<const std::int64_t> ids, bool skip_special = false) const = 0;

  // The vocabulary string, as transformers' convert_ids_to_tokens gives it: "ĠParis", "▁the". Empty: no such id.
  virtual std::string piece(std::int64_t id) const = 0;

  // The bytes that the token stands for, for labels; they may be a fragment of a UTF-8 character.
  virtual std::string text(std::int64_t id) const = 0;

  virtual std::optional<std::int64_t> id_of_piece(std::string_view piece) const = 0;

  // One more than the largest id, added tokens included.
  virtual std::int64_t vocab_size() const = 0;

  virtual std::optional<std::int64_t> bos() const = 0;
  virtual std::optional<std::int64_t> eos() const = 0;
  virtual std::optional<std::int64_t> unk() const = 0;
  virtual std::optional<std::int64_t> pad() const = 0;
  virtual bool is_special(std::int64_t id) const = 0;

  // Generation ends after each of these: what generation_config.json, or else config.json, lists as eos_token_id; for a
  // GGUF file its EOS, EOT and EOM and the tokens that llama.cpp recognises by their text. Otherwise EOS alone.
  virtual std::vector<std::int64_t> end_ids() const {
    return eos() ? std::vector<std::int64_t>{*eos()} : std::vector<std::int64_t>{};
  }

  // The template's Jinja source, or empty.
  virtual const std::string& chat_template() const = 0;
  // The file that the template is from, for messages; may be empty.
  virtual std::string chat_template_file() const { return {}; }

  // The tokenizer's kind: "byte-level BPE", "BPE", "SentencePiece BPE", "SentencePiece Unigram", "WordLevel" or
  // "WordPiece".
  virtual std::string kind() const = 0;
};

struct ChatMessage {
  std::string role; // "system", "user" or "assistant"
  std::string content;
};

// Renders the messages with the model's chat template; encode the text with add_special = false.
// Errors: not_found without a template, unsupported for a construct outside the subset in core/text/jinja/jinja.h,
// invalid_argument when the template itself refuses the messages.
Result<std::string> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                bool add_generation_prompt);

// Loads a folder with tokenizer.json, or vocab.json and merges.txt, or tokenizer.model; also reads
// tokenizer_config.json and special_tokens_map.json where they exist. The path of one of these files is accepted too.
Result<std::unique_ptr<Tokenizer>> load_tokenizer_folder(const std::string& path);

// Makes the tokenizer of a GGUF file's tokenizer.ggml.* metadata.
Result<std::unique_ptr<Tokenizer>> load_tokenizer_gguf(const GgufFile& file);

} // namespace headscope
