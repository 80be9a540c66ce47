// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the tokenizer.ggml.* metadata of a GGUF file.
#include <cmath>

#include "core/io/gguf.h"
#include "core/text/gguf_tokenizer.h"

namespace headscope {
namespace {

// Reads keys that may be absent but, when present, must be of one kind: silently ignoring a control-token list or a BOS
// id would give other token ids, not an error.
class Metadata {
public:
  explicit Metadata(const GgufFile& file) : file_(file) {}

  Status text(const std::string& key, std::string& out) const {
    const auto value = file_.string(key);
    if (!value && file_.has(key)) return broken(key, "must be a string");
    out = std::string(value.value_or(std::string_view{}));
    return {};
  }

  Status texts(const std::string& key, std::vector<std::string_view>& out) const {
    const auto* values = file_.strings(key);
    if (!values && file_.has(key)) return broken(key, "must be a list of strings");
    if (values) out = *values;
    return {};
  }

  Status id(const std::string& key, std::optional<std::int64_t>& out) const {
    out = file_.integer(key);
    if (!out && file_.has(key)) return broken(key, "must be a token id");
    return {};
  }

  Status flag(const std::string& key, std::optional<bool>& out) const {
    out = file_.flag(key);
    if (!out && file_.has(key)) return broken(key, "must be true or false");
    return {};
  }

  Status scores(const std::string& key, std::vector<float>& out) const {
    return numbers(key, [&](double value) {
      out.push_back(static_cast<float>(value));
      return std::isfinite(value);
    });
  }

  Status types(const std::string& key, std::vector<std::int32_t>& out) const {
    return numbers(key, [&](double value) {
      const bool fits = value >= INT32_MIN && value <= INT32_MAX && value == std::floor(value);
      out.push_back(fits ? static_cast<std::int32_t>(value) : 0);
      return fits;
    });
  }

private:
  template <typename Take> Status numbers(const std::string& key, Take take) const {
    const auto* values = file_.numbers(key);
    if (!values && file_.has(key)) return broken(key, "must be a list of numbers");
    for (std::size_t i = 0; values && i < values->size(); ++i) {
      if (!take((*values)[i]))
        return broken(key + "[" + std::to_string(i) + "]", "is not a number of this list's kind");
    }
    return {};
  }
  Error broken(const std::string& key, const char* message) const {
    return make_error(ErrorCode::corrupt, message, file_.path(), key);
  }

  const GgufFile& file_;
};

// Where a file with a SentencePiece vocabulary does not say which tokens begin and end a text, takes Llama's ids, as
// llama.cpp does.
void take_usual_ids(text::GgufTokenizerData& data) {
  if (data.model != "llama" || data.tokens.size() < 3) return;
  if (!data.unk) data.unk = 0;
  if (!data.bos) data.bos = 1;
  if (!data.eos) data.eos = 2;
}

} // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer_gguf(const GgufFile& file) {
  const std::string base = "tokenizer.ggml.";
  if (!file.has(base + "model") && !file.has(base + "tokens"))
    return make_error(ErrorCode::not_found, "this file holds no tokenizer", file.path(), base + "model");
  if (const auto model = file.string(base + "model"); model == "none" || model == "no_vocab") // so llama.cpp calls it
    return make_error(ErrorCode::not_found, "this file says that it has no tokenizer", file.path(), base + "model");
  const Metadata metadata(file);
  text::GgufTokenizerData data;
  data.file = file.path();
  HS_TRY(metadata.text("general.architecture", data.architecture));
  HS_TRY(metadata.text("general.name", data.name));
  HS_TRY(metadata.text(base + "model", data.model));
  HS_TRY(metadata.text(base + "pre", data.pre));
  HS_TRY(metadata.texts(base + "tokens", data.tokens));
  HS_TRY(metadata.texts(base + "merges", data.merges));
  HS_TRY(metadata.scores(base + "scores", data.scores));
  HS_TRY(metadata.types(base + "token_type", data.types));
  HS_TRY(metadata.id(base + "bos_token_id", data.bos));
  HS_TRY(metadata.id(base + "eos_token_id", data.eos));
  HS_TRY(metadata.id(base + "unknown_token_id", data.unk));
  HS_TRY(metadata.id(base + "padding_token_id", data.pad));
  HS_TRY(metadata.id(base + "eot_token_id", data.eot));
  HS_TRY(metadata.id(base + "eom_token_id", data.eom));
  for (const char* key : {"fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"}) {
    std::optional<std::int64_t> id;
    HS_TRY(metadata.id(base + key, id));
    if (id) data.further_ends.push_back(*id);
  }
  HS_TRY(metadata.flag(base + "add_space_prefix", data.add_space_prefix));
  HS_TRY(metadata.flag(base + "add_bos_token", data.add_bos));
  HS_TRY(metadata.flag(base + "add_eos_token", data.add_eos));
  HS_TRY(metadata.text("tokenizer.chat_template", data.chat_template));
  take_usual_ids(data);
  return text::make_gguf_tokenizer(data);
}

} // namespace headscope
