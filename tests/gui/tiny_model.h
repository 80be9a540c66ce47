// SPDX-License-Identifier: GPL-3.0-or-later
// A random model of tests/golden with a tokenizer of its own: one token a character, BOS in front.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace headscope::gui {

// Makes the folder `to`: 2 layers of 4 heads, 101 tokens, a context of 64. Returns its path.
inline std::string make_tiny_model(const std::filesystem::path& to, const std::string& golden = "llama") {
  namespace fs = std::filesystem;
  fs::create_directories(to);
  const fs::path from = fs::path(HEADSCOPE_GOLDEN_DIR) / "models" / golden;
  fs::copy_file(from / "model.safetensors", to / "model.safetensors", fs::copy_options::overwrite_existing);
  // Without an end of text, so that texts get as long as they were asked to.
  std::stringstream copy;
  copy << std::ifstream(from / "config.json").rdbuf();
  std::string text = copy.str();
  if (const auto at = text.find("\"eos_token_id\": 2"); at != std::string::npos)
    text.replace(at, 17, "\"eos_token_id\": null");
  std::ofstream(to / "config.json") << text;
  std::string vocab = R"("<s>":0,"Ġ":1,"Ċ":2)";
  int id = 3;
  for (char c = '!'; c <= '~'; ++c) {
    const std::string escaped = c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    vocab += ",\"" + escaped + "\":" + std::to_string(id++);
  }
  std::ofstream out(to / "tokenizer.json");
  out << R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>","single_word":false,)"
      << R"("lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,)"
      << R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},)"
      << R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
      << R"({"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},)"
      << R"({"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},)"
      << R"("decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)"
      << R"("model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)"
      << R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{)" << vocab
      << R"(},"merges":[]}})";
  out.close();
  std::ofstream config(to / "tokenizer_config.json");
  config << R"({"bos_token":"<s>","tokenizer_class":"PreTrainedTokenizerFast"})";
  return to.string();
}

} // namespace headscope::gui
