// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/tokenizer_file.h"

#include "core/plant/space.h"

namespace headscope::plant {

using nlohmann::json;

json tokenizer_json(const Vocabulary& vocabulary) {
  json added = json::array(), vocab = json::object();
  for (const auto& [piece, id] : vocabulary.ids)
    vocab[piece] = id;
  for (const std::string& piece : vocabulary.special)
    added.push_back({{"id", vocabulary.ids.at(piece)},
                     {"content", piece},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json begin = {{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}};
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
             second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {begin, text}},
            {"pair", {begin, text, second}},
            {"special_tokens", {{"<bos>", {{"id", "<bos>"}, {"ids", {0}}, {"tokens", {"<bos>"}}}}}}}},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", true},
            {"vocab", vocab},
            {"merges", json::array()}}}};
}

json tokenizer_config_json() {
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"bos_token", "<bos>"},
          {"eos_token", "<eos>"},
          {"clean_up_tokenization_spaces", false},
          {"model_max_length", n_ctx}};
}

} // namespace headscope::plant
