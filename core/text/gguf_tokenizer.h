// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer described by a GGUF file's metadata: the model's own, as far as the metadata say, and llama.cpp's rules
// where they leave something open.
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

// The values of tokenizer.ggml.* by name. The views must live until make_gguf_tokenizer() returns.
struct GgufTokenizerData {
  std::string file;         // for messages
  std::string architecture; // general.architecture
  std::string name;         // general.name; may be empty
  std::string model;        // "gpt2" or "llama"
  std::string pre;          // pre-tokenizer; may be empty
  std::vector<std::string_view> tokens;
  std::vector<float> scores;            // one a token; "llama" without merges needs them
  std::vector<std::int32_t> types;      // one a token, or empty: 2 unknown, 3 control, 4 user defined
  std::vector<std::string_view> merges; // "left right"
  std::optional<std::int64_t> bos, eos, unk, pad;
  std::optional<std::int64_t> eot, eom;   // generation also ends after these
  std::vector<std::int64_t> further_ends; // and after these: padding, file and repository marks of code models
  std::optional<bool> add_bos, add_eos;
  std::optional<bool> add_space_prefix;
  std::string chat_template;
};

Result<std::unique_ptr<Tokenizer>> make_gguf_tokenizer(const GgufTokenizerData& data);

} // namespace headscope::text
