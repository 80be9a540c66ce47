// SPDX-License-Identifier: GPL-3.0-or-later
// Takes the tokenizer.ggml.* metadata out of a GGUF file.
#include "core/io/gguf.h"
#include "core/text/gguf_tokenizer.h"

namespace headscope {
namespace {

constexpr const char* prefix = "tokenizer.ggml.";

std::string text_of(const GgufFile& file, const std::string& key) {
  return std::string(file.string(key).value_or(std::string_view{}));
}

Status read_lists(const GgufFile& file, text::GgufTokenizerData& data) {
  const auto* tokens = file.strings(std::string(prefix) + "tokens");
  if (!tokens)
    return make_error(ErrorCode::corrupt, "must be a list of strings", file.path(), std::string(prefix) + "tokens");
  data.tokens = *tokens;
  if (const auto* merges = file.strings(std::string(prefix) + "merges")) data.merges = *merges;
  for (const char* name : {"scores", "token_type"}) {
    const std::string key = std::string(prefix) + name;
    const auto* values = file.numbers(key);
    if (!values) continue;
    if (values->size() != tokens->size())
      return make_error(ErrorCode::corrupt,
                        "has " + std::to_string(values->size()) + " entries for " + std::to_string(tokens->size()) +
                            " tokens",
                        file.path(), key);
    for (const double value : *values) {
      if (key.back() == 's')
        data.scores.push_back(static_cast<float>(value));
      else
        data.types.push_back(static_cast<std::int32_t>(value));
    }
  }
  return {};
}

} // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer_gguf(const GgufFile& file) {
  const std::string base(prefix);
  if (!file.has(base + "model") && !file.has(base + "tokens"))
    return make_error(ErrorCode::not_found, "this file holds no tokenizer", file.path(), base + "model");
  text::GgufTokenizerData data;
  data.file = file.path();
  data.architecture = text_of(file, "general.architecture");
  data.model = text_of(file, base + "model");
  data.pre = text_of(file, base + "pre");
  HS_TRY(read_lists(file, data));
  data.bos = file.integer(base + "bos_token_id");
  data.eos = file.integer(base + "eos_token_id");
  data.unk = file.integer(base + "unknown_token_id");
  data.pad = file.integer(base + "padding_token_id");
  data.add_bos = file.flag(base + "add_bos_token");
  data.add_eos = file.flag(base + "add_eos_token");
  data.chat_template = text_of(file, "tokenizer.chat_template");
  return text::make_gguf_tokenizer(data);
}

} // namespace headscope
