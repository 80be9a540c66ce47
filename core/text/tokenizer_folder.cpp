// SPDX-License-Identifier: GPL-3.0-or-later
// Loads a tokenizer from a Hugging Face folder: finds its tokenizer file and adds what the configuration files say.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <utility>

#include "core/base/json_text.h"
#include "core/base/log.h"
#include "core/base/text_file.h"
#include "core/text/json_field.h"
#include "core/text/pipeline.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_json.h"

namespace headscope {

namespace fs = std::filesystem;

namespace {

using text::AddedToken;
using text::JsonField;

struct FolderConfig {
  std::string bos, eos, unk, pad;                                  // contents; empty: not named
  std::vector<AddedToken> added;                                   // added_tokens_decoder; ids only give the order
  bool has_decoder = false;                                        // then the older files beside it are ignored
  std::map<std::pair<std::size_t, std::string>, AddedToken> named; // by place and key: mask_token and so on
  std::vector<AddedToken> extra;                                   // additional_special_tokens
  std::optional<bool> add_bos, add_eos;
  std::optional<bool> add_prefix_space, legacy;
  std::vector<std::int64_t> ends; // eos_token_id of the generation's or the model's configuration
  std::string tokenizer_class;
  std::string chat_template, chat_file;
};

constexpr std::array<std::pair<const char*, std::string FolderConfig::*>, 4> named_tokens = {{
    {"bos_token", &FolderConfig::bos},
    {"eos_token", &FolderConfig::eos},
    {"unk_token", &FolderConfig::unk},
    {"pad_token", &FolderConfig::pad},
}};

// The order in which transformers adds the tokens that these name; other keys that end in "_token" come after them.
constexpr std::array<std::string_view, 7> token_keys = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                        "pad_token", "cls_token", "mask_token"};

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Reads a token written as its text or as an object with "content".
Result<std::string> content_of(const JsonField& field) {
  if (field.node().is_object()) return field.string("content");
  return field.string();
}

// Reads a token given by its text, or by an object that also says where it matches.
Result<AddedToken> token_of(const JsonField& field) {
  AddedToken token;
  HS_ASSIGN(token.content, content_of(field));
  token.special = true;
  if (!field.node().is_object()) return token;
  HS_ASSIGN(const bool special, field.boolean("special", false));
  HS_ASSIGN(token.normalized, field.boolean("normalized", !special));
  HS_ASSIGN(token.single_word, field.boolean("single_word", false));
  HS_ASSIGN(token.lstrip, field.boolean("lstrip", false));
  HS_ASSIGN(token.rstrip, field.boolean("rstrip", false));
  return token;
}

// Names a token; those of the extra object come last.
Status name_token(const JsonField& field, const std::string& key, bool extra, FolderConfig& config) {
  const auto known = std::find(token_keys.begin(), token_keys.end(), key);
  HS_ASSIGN(AddedToken token, token_of(field));
  const auto place = static_cast<std::size_t>(known - token_keys.begin());
  config.named[{place + (extra && known == token_keys.end() ? 1 : 0), key}] = std::move(token);
  return {};
}

bool names_token(const nlohmann::json& value) {
  return value.is_string() || (value.is_object() && value.contains("content"));
}

// What a later file says replaces what an earlier one said.
Status read_named_tokens(const JsonField& root, FolderConfig& config) {
  for (const auto& [key, member] : named_tokens) {
    if (!root.has(key)) continue;
    HS_ASSIGN(const JsonField field, root.at(key));
    HS_ASSIGN(config.*member, content_of(field));
  }
  for (const auto& [key, value] : root.node().items()) {
    if (!key.ends_with("_token") || !names_token(value)) continue;
    HS_ASSIGN(const JsonField field, root.at(key.c_str()));
    HS_TRY(name_token(field, key, false, config));
  }
  const bool filled = !config.extra.empty();
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    if (!root.has(key)) continue;
    HS_ASSIGN(const JsonField list, root.at(key));
    if (list.node().is_object()) { // named ones
      for (const auto& [name, value] : list.node().items()) {
        if (!names_token(value)) continue;
        HS_ASSIGN(const JsonField field, list.at(name.c_str()));
        HS_TRY(name_token(field, name, true, config));
      }
      continue;
    }
    if (filled || !list.node().is_array()) continue;
    for (std::size_t i = 0; i < list.node().size(); ++i) {
      HS_ASSIGN(const JsonField field, list.at(i));
      HS_ASSIGN(AddedToken token, token_of(field));
      config.extra.push_back(std::move(token));
    }
  }
  return {};
}

Status read_added_decoder(const JsonField& root, FolderConfig& config) {
  config.has_decoder = root.has("added_tokens_decoder");
  if (!config.has_decoder) return {};
  HS_ASSIGN(const JsonField table, root.at("added_tokens_decoder"));
  HS_TRY(table.expect_object());
  std::vector<AddedToken> tokens;
  for (const auto& [key, unused] : table.node().items()) {
    HS_ASSIGN(const JsonField field, table.at(key.c_str()));
    AddedToken token;
    if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != std::string::npos) {
      return field.error(ErrorCode::corrupt, "the id should be a whole number");
    }
    token.id = std::stoll(key);
    HS_ASSIGN(token.content, field.string("content"));
    HS_ASSIGN(token.special, field.boolean("special", false));
    HS_ASSIGN(token.normalized, field.boolean("normalized", !token.special));
    HS_ASSIGN(token.single_word, field.boolean("single_word", false));
    HS_ASSIGN(token.lstrip, field.boolean("lstrip", false));
    HS_ASSIGN(token.rstrip, field.boolean("rstrip", false));
    tokens.push_back(std::move(token));
  }
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  config.added = std::move(tokens);
  return {};
}

// Reads a string, or the template "default" of a list of named templates.
Status read_chat_template(const JsonField& root, FolderConfig& config) {
  if (!root.has("chat_template")) return {};
  config.chat_file = root.file();
  HS_ASSIGN(const JsonField field, root.at("chat_template"));
  if (!field.node().is_array()) {
    HS_ASSIGN(config.chat_template, field.string());
    return {};
  }
  for (std::size_t i = 0; i < field.node().size(); ++i) {
    HS_ASSIGN(const JsonField entry, field.at(i));
    HS_ASSIGN(const std::string name, entry.string("name"));
    if (name != "default") continue;
    HS_ASSIGN(config.chat_template, entry.string("template"));
  }
  return {};
}

// Reads the older file; added_tokens_decoder says the same and more. `configured` are the special tokens of
// tokenizer_config.json: tokens named only in special_tokens_map.json stay plain when they are listed here.
Status read_added_file(const fs::path& path, const std::vector<AddedToken>& configured, FolderConfig& config) {
  if (config.has_decoder || !is_file(path)) return {};
  HS_ASSIGN(const nlohmann::json document, read_json_object(path.string()));
  const JsonField root(document, path.string());
  for (const auto& [content, unused] : document.items()) {
    AddedToken token;
    HS_ASSIGN(token.id, root.integer(content.c_str()));
    token.content = content;
    const auto is_it = [&, &name = content](const AddedToken& each) { return each.content == name; };
    token.special =
        std::any_of(configured.begin(), configured.end(), is_it) ||
        std::any_of(config.named.begin(), config.named.end(), [&](const auto& each) { return is_it(each.second); });
    token.normalized = !token.special;
    config.added.push_back(std::move(token));
  }
  std::stable_sort(config.added.begin(), config.added.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return {};
}

// Reads a number or a list of numbers; returns false when there is none.
Result<bool> read_end_ids(const JsonField& root, std::vector<std::int64_t>& ids) {
  if (!root.has("eos_token_id")) return false;
  HS_ASSIGN(const JsonField field, root.at("eos_token_id"));
  if (!field.node().is_array()) {
    HS_ASSIGN(const std::int64_t id, field.integer());
    ids.push_back(id);
    return true;
  }
  for (std::size_t i = 0; i < field.node().size(); ++i) {
    HS_ASSIGN(const JsonField entry, field.at(i));
    HS_ASSIGN(const std::int64_t id, entry.integer());
    ids.push_back(id);
  }
  return !ids.empty();
}

// Reads end tokens as transformers' generate() does: from generation_config.json, otherwise from config.json.
Status read_ends(const fs::path& folder, std::vector<std::int64_t>& ids) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const fs::path path = folder / name;
    if (!is_file(path)) continue;
    HS_ASSIGN(const nlohmann::json document, read_json_object(path.string()));
    const JsonField root(document, path.string());
    HS_ASSIGN(bool found, read_end_ids(root, ids));
    if (!found && root.has("text_config")) {
      HS_ASSIGN(const JsonField inner, root.at("text_config"));
      HS_ASSIGN(found, read_end_ids(inner, ids));
    }
    if (found) return {};
  }
  return {};
}

Result<FolderConfig> read_config(const fs::path& folder) {
  FolderConfig config;
  if (const fs::path path = folder / "tokenizer_config.json"; is_file(path)) {
    HS_ASSIGN(const nlohmann::json document, read_json_object(path.string()));
    const JsonField root(document, path.string());
    HS_TRY(read_named_tokens(root, config));
    HS_TRY(read_added_decoder(root, config));
    HS_TRY(read_chat_template(root, config));
    HS_ASSIGN(config.tokenizer_class, root.string("tokenizer_class", ""));
    const auto flag = [&](const char* key, std::optional<bool>& out) -> Status {
      if (!document.contains(key)) return {};
      HS_ASSIGN(out, root.boolean(key, false));
      return {};
    };
    HS_TRY(flag("add_bos_token", config.add_bos));
    HS_TRY(flag("add_eos_token", config.add_eos));
    HS_TRY(flag("add_prefix_space", config.add_prefix_space));
    HS_TRY(flag("legacy", config.legacy));
  }
  const std::vector<AddedToken> configured = config.extra;
  if (const fs::path path = folder / "special_tokens_map.json"; !config.has_decoder && is_file(path)) {
    HS_ASSIGN(const nlohmann::json document, read_json_object(path.string()));
    HS_TRY(read_named_tokens(JsonField(document, path.string()), config));
  }
  HS_TRY(read_added_file(folder / "added_tokens.json", configured, config));
  if (const fs::path path = folder / "chat_template.jinja"; is_file(path)) {
    HS_ASSIGN(config.chat_template, read_regular_file(path.string()));
    config.chat_file = path.string();
  }
  HS_TRY(read_ends(folder, config.ends));
  return config;
}

// Applies the configuration as transformers does after it has read the tokenizer file.
void apply_config(const FolderConfig& config, text::PipelineParts& parts) {
  const auto add = [&](const AddedToken& token) {
    return parts.added.find(token.content) ? text::token_id(parts, token.content) : text::add_token(parts, token);
  };
  const auto named = [&](const std::string& content, std::optional<std::int64_t>& id) {
    if (content.empty()) return;
    AddedToken token;
    token.content = content;
    token.special = true;
    id = add(token);
  };
  for (const AddedToken& token : config.added) {
    const std::int64_t given = add(token); // the tokenizers library uses the content and the order
    if (given != token.id)
      log::warning("the added token \"" + token.content + "\" has the id " + std::to_string(given) + ", not " +
                   std::to_string(token.id));
  }
  for (const auto& [key, token] : config.named)
    add(token);
  named(config.bos, parts.bos);
  named(config.eos, parts.eos);
  named(config.unk, parts.unk);
  named(config.pad, parts.pad);
  for (const AddedToken& token : config.extra)
    add(token);
  parts.chat_template = config.chat_template;
  parts.chat_file = config.chat_file;
  parts.ends = config.ends;
}

// Makes GPT-2's parts, with the differences of other tokenizer classes that also use vocab.json and merges.txt.
Result<text::PipelineParts> read_vocab_folder(const fs::path& folder, FolderConfig& config) {
  HS_ASSIGN(text::PipelineParts parts,
            text::read_vocab_and_merges((folder / "vocab.json").string(), (folder / "merges.txt").string()));
  if (config.tokenizer_class.starts_with("Qwen2")) {
    constexpr const char* pattern =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    HS_ASSIGN(text::Regex regex, text::Regex::compile(pattern));
    HS_ASSIGN(auto bytes, text::split_byte_level(false, false));
    parts.normalizers.push_back(text::normalize_form(text::UnicodeForm::nfc));
    parts.pre_tokenizers.clear();
    parts.pre_tokenizers.push_back(text::split_pattern(std::move(regex), text::SplitBehavior::isolated, false));
    parts.pre_tokenizers.push_back(std::move(bytes));
  } else if (config.add_prefix_space.value_or(false)) {
    HS_ASSIGN(parts.pre_tokenizers.front(), text::split_byte_level(true, true));
  }
  if (parts.vocabulary->find("<|endoftext|>") >= 0) { // GPT-2's default for all three
    for (const auto member : {&FolderConfig::bos, &FolderConfig::eos, &FolderConfig::unk}) {
      if ((config.*member).empty()) config.*member = "<|endoftext|>";
    }
  }
  return parts;
}

// Makes the tokenizer where there is no tokenizer.json. With one, transformers uses its post-processor and ignores
// these flags.
std::unique_ptr<Tokenizer> finished(const FolderConfig& config, bool add_bos, text::PipelineParts parts) {
  apply_config(config, parts);
  if (add_bos && parts.bos) parts.prefix.push_back(*parts.bos);
  if (config.add_eos.value_or(false) && parts.eos) parts.suffix.push_back(*parts.eos);
  return text::make_pipeline(std::move(parts));
}

// transformers' classes for Llama and Gemma rebuild a BPE model, with rules of their own for the first space; all other
// models are run by the SentencePiece library.
Result<std::unique_ptr<Tokenizer>> load_model_file(const std::string& path, const FolderConfig& config) {
  const std::string& name = config.tokenizer_class;
  const bool gemma = name.starts_with("Gemma");
  if (gemma || name.starts_with("Llama") || name.starts_with("CodeLlama")) {
    auto scheme = config.legacy.value_or(false) ? text::PrependScheme::always : text::PrependScheme::first;
    if (gemma || !config.add_prefix_space.value_or(true)) scheme = text::PrependScheme::never;
    HS_ASSIGN(auto parts, text::read_sentencepiece_bpe(path, scheme));
    if (parts) return finished(config, config.add_bos.value_or(false), *std::move(parts));
  }
  text::SentencePieceOptions options;
  options.add_bos = config.add_bos.value_or(false);
  options.add_eos = config.add_eos.value_or(false);
  options.chat_template = config.chat_template;
  options.chat_file = config.chat_file;
  options.added = config.added;
  options.ends = config.ends;
  for (const auto& [key, member] : named_tokens) {
    if ((config.*member).empty()) continue;
    AddedToken token;
    token.content = config.*member;
    token.special = true;
    options.added.push_back(std::move(token));
  }
  for (const auto& [key, token] : config.named)
    options.added.push_back(token);
  options.added.insert(options.added.end(), config.extra.begin(), config.extra.end());
  options.bos = config.bos;
  options.eos = config.eos;
  options.unk = config.unk;
  options.pad = config.pad;
  return text::load_sentencepiece(path, std::move(options));
}

} // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer_folder(const std::string& path) {
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  const fs::path folder = is_folder ? fs::path(path) : fs::path(path).parent_path();
  const std::string name = is_folder ? std::string() : fs::path(path).filename().string();
  if (!is_folder && !is_file(path)) return make_error(ErrorCode::not_found, "there is no such file or folder", path);
  const auto wanted = [&](const char* file) { return is_folder ? is_file(folder / file) : name == file; };
  HS_ASSIGN(FolderConfig config, read_config(folder));
  if (wanted("tokenizer.json") || (name.ends_with(".json") && name != "vocab.json")) {
    HS_ASSIGN(auto parts, text::read_tokenizer_json(is_folder ? (folder / "tokenizer.json").string() : path));
    apply_config(config, parts);
    return text::make_pipeline(std::move(parts));
  }
  if (wanted("vocab.json") && is_file(folder / "merges.txt")) {
    HS_ASSIGN(auto parts, read_vocab_folder(folder, config));
    return finished(config, config.add_bos.value_or(false), std::move(parts));
  }
  if (wanted("tokenizer.model") || name.ends_with(".model"))
    return load_model_file(is_folder ? (folder / "tokenizer.model").string() : path, config);
  return make_error(ErrorCode::not_found,
                    "holds no tokenizer.json, no vocab.json with merges.txt and no tokenizer.model", path);
}

} // namespace headscope
