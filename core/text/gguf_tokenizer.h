// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer that a GGUF file's metadata describes, as transformers builds it from the same file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope::text {

// tokenizer.ggml.* by name. The views must live until make_gguf_tokenizer() returns.
struct GgufTokenizerData {
  std::string file;         // for messages
  std::string architecture; // general.architecture
  std::string model;        // "gpt2" or "llama"
  std::string pre;          // pre-tokenizer; may be empty
  std::vector<std::string_view> tokens;
  std::vector<float> scores;            // one a token; "llama" without merges needs them
  std::vector<std::int32_t> types;      // one a token, or empty: 3 control, 4 user defined
  std::vector<std::string_view> merges; // "left right"
  std::optional<std::int64_t> bos, eos, unk, pad;
  std::optional<bool> add_bos, add_eos;
  std::string chat_template;
};

Result<std::unique_ptr<Tokenizer>> make_gguf_tokenizer(const GgufTokenizerData& data);

} // namespace headscope::text
