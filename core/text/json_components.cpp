// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/json_components.h"

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "core/text/unicode.h"

namespace headscope::text {

namespace {

Error unknown(const JsonField& field, const std::string& type) {
  return field.error(ErrorCode::unsupported, "\"" + type + "\" is not supported");
}

// Reads {"String": "x"} or {"Regex": "x"}.
Result<std::variant<std::string, Regex>> read_pattern(const JsonField& owner) {
  using Pattern = std::variant<std::string, Regex>;
  HS_ASSIGN(const JsonField field, owner.at("pattern"));
  if (field.has("String")) {
    HS_ASSIGN(std::string literal, field.string("String"));
    return Pattern(std::move(literal));
  }
  HS_ASSIGN(const std::string source, field.string("Regex"));
  auto regex = Regex::compile(source);
  if (!regex.ok()) return field.locate(std::move(regex).error());
  return Pattern(*std::move(regex));
}

// Calls read(child) for each member of a Sequence's list.
template <typename Read> Status each(const JsonField& field, const char* key, Read read) {
  HS_ASSIGN(const JsonField list, field.at(key));
  HS_ASSIGN(const std::size_t size, list.array_size());
  for (std::size_t i = 0; i < size; ++i) {
    HS_ASSIGN(const JsonField child, list.at(i));
    HS_TRY(read(child));
  }
  return {};
}

Result<std::string> decode_base64(const JsonField& field) {
  HS_ASSIGN(const std::string text, field.string());
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    int value = -1;
    if (c >= 'A' && c <= 'Z')
      value = c - 'A';
    else if (c >= 'a' && c <= 'z')
      value = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
      value = c - '0' + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else if (c == '=')
      break;
    if (value < 0) return field.error(ErrorCode::corrupt, "is not base64");
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>((bits >> count) & 0xFF));
  }
  return out;
}

Status read_replace_normalizer(const JsonField& field, Normalizers& out) {
  HS_ASSIGN(auto pattern, read_pattern(field));
  HS_ASSIGN(std::string content, field.string("content"));
  if (auto* literal = std::get_if<std::string>(&pattern))
    out.push_back(normalize_replace(*literal, content));
  else
    out.push_back(normalize_replace(std::get<Regex>(pattern), content));
  return {};
}

Status read_strip_normalizer(const JsonField& field, Normalizers& out) {
  HS_ASSIGN(const bool left, field.boolean("strip_left", true));
  HS_ASSIGN(const bool right, field.boolean("strip_right", true));
  out.push_back(normalize_strip(left, right));
  return {};
}

Status read_precompiled(const JsonField& field, Normalizers& out) {
  HS_ASSIGN(const JsonField map, field.at("precompiled_charsmap"));
  HS_ASSIGN(const std::string bytes, decode_base64(map));
  auto normalizer = normalize_precompiled(bytes);
  if (!normalizer.ok()) return map.locate(std::move(normalizer).error());
  out.push_back(*std::move(normalizer));
  return {};
}

Status read_bert_normalizer(const JsonField& field, Normalizers& out) {
  HS_ASSIGN(const bool clean, field.boolean("clean_text", true));
  HS_ASSIGN(const bool chinese, field.boolean("handle_chinese_chars", true));
  HS_ASSIGN(const bool lowercase, field.boolean("lowercase", true));
  HS_ASSIGN(const bool strip, field.boolean("strip_accents", lowercase)); // null: as lowercase
  if (clean) out.push_back(normalize_clean_text());
  if (chinese) out.push_back(normalize_chinese());
  if (strip) {
    out.push_back(normalize_form(UnicodeForm::nfd));
    out.push_back(normalize_strip_nonspacing());
  }
  if (lowercase) out.push_back(normalize_lowercase());
  return {};
}

Result<SplitBehavior> read_behavior(const JsonField& field, SplitBehavior otherwise) {
  if (!field.has("behavior")) return otherwise;
  HS_ASSIGN(const JsonField behavior, field.at("behavior"));
  HS_ASSIGN(const std::string name, behavior.string());
  static constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> names = {{
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  }};
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  return unknown(behavior, name);
}

Status read_split(const JsonField& field, PreTokenizers& out) {
  HS_ASSIGN(auto pattern, read_pattern(field));
  HS_ASSIGN(const SplitBehavior behavior, read_behavior(field, SplitBehavior::isolated));
  HS_ASSIGN(const bool invert, field.boolean("invert", false));
  if (auto* literal = std::get_if<std::string>(&pattern)) {
    if (literal->empty()) return field.error(ErrorCode::corrupt, "the pattern is empty");
    HS_ASSIGN(Regex regex, Regex::compile(Regex::escape(*literal)));
    out.push_back(split_pattern(std::move(regex), behavior, invert));
  } else {
    out.push_back(split_pattern(std::get<Regex>(std::move(pattern)), behavior, invert));
  }
  return {};
}

Status read_byte_level_split(const JsonField& field, PreTokenizers& out) {
  HS_ASSIGN(const bool prefix, field.boolean("add_prefix_space", true));
  HS_ASSIGN(const bool use_regex, field.boolean("use_regex", true));
  HS_ASSIGN(auto step, split_byte_level(prefix, use_regex));
  out.push_back(std::move(step));
  return {};
}

struct MetaspaceOptions {
  std::string replacement;
  PrependScheme scheme = PrependScheme::always;
  bool split = true;
};

Result<MetaspaceOptions> read_metaspace(const JsonField& field) {
  MetaspaceOptions options;
  HS_ASSIGN(options.replacement, field.string("replacement", "\xE2\x96\x81"));
  HS_ASSIGN(options.split, field.boolean("split", true));
  HS_ASSIGN(const bool prefix, field.boolean("add_prefix_space", true));
  HS_ASSIGN(const std::string scheme, field.string("prepend_scheme", prefix ? "always" : "never"));
  if (options.replacement.empty()) return field.error(ErrorCode::corrupt, "the replacement is empty");
  if (first_code_point(options.replacement).length != options.replacement.size())
    return field.error(ErrorCode::corrupt, "the replacement is more than one character");
  if (scheme == "always")
    options.scheme = PrependScheme::always;
  else if (scheme == "first")
    options.scheme = PrependScheme::first;
  else if (scheme == "never")
    options.scheme = PrependScheme::never;
  else
    return unknown(field, "prepend_scheme " + scheme);
  return options;
}

Status read_words(const JsonField& field, PreTokenizers& out) {
  // Here \w is Rust's, whose members are not quite Oniguruma's.
  auto regex = Regex::compile(
      R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}\s]+)");
  if (!regex.ok()) return field.locate(std::move(regex).error());
  out.push_back(split_pattern(*std::move(regex), SplitBehavior::removed, true));
  return {};
}

Status read_simple_split(const JsonField& field, const std::string& type, PreTokenizers& out) {
  if (type == "WhitespaceSplit") {
    out.push_back(split_characters(SplitCharacters::whitespace, SplitBehavior::removed));
    return {};
  }
  if (type == "Punctuation") {
    HS_ASSIGN(const SplitBehavior behavior, read_behavior(field, SplitBehavior::isolated));
    out.push_back(split_characters(SplitCharacters::punctuation, behavior));
    return {};
  }
  HS_ASSIGN(const bool individual, field.boolean("individual_digits", false));
  out.push_back(split_characters(individual ? SplitCharacters::digit : SplitCharacters::digits,
                                 individual ? SplitBehavior::isolated : SplitBehavior::contiguous));
  return {};
}

Status read_pattern_decoder(const JsonField& field, Decoders& out, Spelling& spelling) {
  HS_ASSIGN(auto pattern, read_pattern(field));
  HS_ASSIGN(const std::string content, field.string("content"));
  if (auto* literal = std::get_if<std::string>(&pattern)) {
    if (*literal == "\xE2\x96\x81" && content == " ") spelling = Spelling::metaspace;
    out.push_back(decode_replace(*literal, content));
  } else {
    out.push_back(decode_replace(std::get<Regex>(pattern), content));
  }
  return {};
}

Status read_strip_decoder(const JsonField& field, Decoders& out) {
  HS_ASSIGN(std::string content, field.string("content"));
  HS_ASSIGN(const std::int64_t start, field.integer("start"));
  HS_ASSIGN(const std::int64_t stop, field.integer("stop"));
  if (content.empty() || start < 0 || stop < 0) return field.error(ErrorCode::corrupt, "strips something impossible");
  out.push_back(decode_strip(std::move(content), static_cast<std::size_t>(start), static_cast<std::size_t>(stop)));
  return {};
}

Status read_template(const JsonField& field, PipelineParts& parts) {
  std::vector<std::int64_t> before;
  std::vector<std::int64_t> after;
  bool seen = false;
  HS_TRY(each(field, "single", [&](const JsonField& item) -> Status {
    if (item.has("Sequence")) {
      if (seen) return item.error(ErrorCode::unsupported, "a template with the text twice is not supported");
      seen = true;
      return {};
    }
    HS_ASSIGN(const JsonField special, item.at("SpecialToken"));
    HS_ASSIGN(const std::string name, special.string("id"));
    HS_ASSIGN(const JsonField tokens, field.at("special_tokens"));
    HS_ASSIGN(const JsonField token, tokens.at(name.c_str()));
    return each(token, "ids", [&](const JsonField& id) -> Status {
      HS_ASSIGN(const std::int64_t value, id.integer());
      if (value < 0) return id.error(ErrorCode::corrupt, "is negative");
      (seen ? after : before).push_back(value);
      return {};
    });
  }));
  if (!seen) return field.error(ErrorCode::unsupported, "a template without the text is not supported");
  parts.prefix.insert(parts.prefix.begin(), before.begin(), before.end());
  parts.suffix.insert(parts.suffix.end(), after.begin(), after.end());
  return {};
}

// Reads {"sep": ["</s>", 2], "cls": ["<s>", 0]}.
Status read_bert_processing(const JsonField& field, PipelineParts& parts) {
  const auto id_of = [&](const char* key) -> Result<std::int64_t> {
    HS_ASSIGN(const JsonField pair, field.at(key));
    HS_ASSIGN(const JsonField id, pair.at(std::size_t{1}));
    return id.integer();
  };
  HS_ASSIGN(const std::int64_t cls, id_of("cls"));
  HS_ASSIGN(const std::int64_t sep, id_of("sep"));
  parts.prefix.insert(parts.prefix.begin(), cls);
  parts.suffix.push_back(sep);
  return {};
}

} // namespace

Status read_normalizer(const JsonField& field, Normalizers& out) {
  if (field.node().is_null()) return {};
  HS_ASSIGN(const std::string type, field.string("type"));
  if (type == "Sequence")
    return each(field, "normalizers", [&](const JsonField& f) { return read_normalizer(f, out); });
  if (type == "Replace") return read_replace_normalizer(field, out);
  if (type == "Strip") return read_strip_normalizer(field, out);
  if (type == "Precompiled") return read_precompiled(field, out);
  if (type == "BertNormalizer") return read_bert_normalizer(field, out);
  if (type == "Prepend") {
    HS_ASSIGN(std::string prefix, field.string("prepend"));
    out.push_back(normalize_prepend(std::move(prefix)));
  } else if (type == "NFC")
    out.push_back(normalize_form(UnicodeForm::nfc));
  else if (type == "NFD")
    out.push_back(normalize_form(UnicodeForm::nfd));
  else if (type == "NFKC")
    out.push_back(normalize_form(UnicodeForm::nfkc));
  else if (type == "NFKD")
    out.push_back(normalize_form(UnicodeForm::nfkd));
  else if (type == "Lowercase")
    out.push_back(normalize_lowercase());
  else if (type == "StripAccents")
    out.push_back(normalize_strip_accents());
  else if (type == "ByteLevel")
    out.push_back(normalize_byte_level());
  else
    return unknown(field, type);
  return {};
}

Status read_pre_tokenizer(const JsonField& field, PreTokenizers& out) {
  if (field.node().is_null()) return {};
  HS_ASSIGN(const std::string type, field.string("type"));
  if (type == "Sequence") {
    return each(field, "pretokenizers", [&](const JsonField& f) { return read_pre_tokenizer(f, out); });
  }
  if (type == "ByteLevel") return read_byte_level_split(field, out);
  if (type == "Split") return read_split(field, out);
  if (type == "Whitespace") return read_words(field, out);
  if (type == "BertPreTokenizer") {
    out.push_back(split_characters(SplitCharacters::whitespace, SplitBehavior::removed));
    out.push_back(split_characters(SplitCharacters::punctuation, SplitBehavior::isolated));
    return {};
  }
  if (type == "CharDelimiterSplit") {
    HS_ASSIGN(const std::string delimiter, field.string("delimiter"));
    if (delimiter.empty()) return field.error(ErrorCode::corrupt, "the delimiter is empty");
    HS_ASSIGN(Regex regex, Regex::compile(Regex::escape(delimiter)));
    out.push_back(split_pattern(std::move(regex), SplitBehavior::removed, false));
    return {};
  }
  if (type == "WhitespaceSplit" || type == "Punctuation" || type == "Digits") {
    return read_simple_split(field, type, out);
  }
  if (type != "Metaspace") return unknown(field, type);
  HS_ASSIGN(const MetaspaceOptions options, read_metaspace(field));
  HS_ASSIGN(auto step, split_metaspace(options.replacement, options.scheme, options.split));
  out.push_back(std::move(step));
  return {};
}

Status read_decoder(const JsonField& field, Decoders& out, Spelling& spelling) {
  if (field.node().is_null()) return {};
  HS_ASSIGN(const std::string type, field.string("type"));
  if (type == "Sequence") {
    return each(field, "decoders", [&](const JsonField& f) { return read_decoder(f, out, spelling); });
  }
  if (type == "Replace") return read_pattern_decoder(field, out, spelling);
  if (type == "Strip") return read_strip_decoder(field, out);
  if (type == "ByteLevel") {
    spelling = Spelling::byte_level;
    out.push_back(decode_byte_level());
  } else if (type == "Metaspace") {
    HS_ASSIGN(const MetaspaceOptions options, read_metaspace(field));
    spelling = Spelling::metaspace;
    out.push_back(decode_metaspace(options.replacement, options.scheme != PrependScheme::never));
  } else if (type == "ByteFallback")
    out.push_back(decode_byte_fallback());
  else if (type == "Fuse")
    out.push_back(decode_fuse());
  else if (type == "WordPiece") {
    HS_ASSIGN(std::string prefix, field.string("prefix", "##"));
    HS_ASSIGN(const bool cleanup, field.boolean("cleanup", true));
    out.push_back(decode_word_piece(std::move(prefix), cleanup));
  } else
    return unknown(field, type);
  return {};
}

Status read_post_processor(const JsonField& field, PipelineParts& parts) {
  if (field.node().is_null()) return {};
  HS_ASSIGN(const std::string type, field.string("type"));
  if (type == "Sequence") {
    return each(field, "processors", [&](const JsonField& f) { return read_post_processor(f, parts); });
  }
  if (type == "ByteLevel") return {}; // changes offsets only
  if (type == "TemplateProcessing") return read_template(field, parts);
  if (type == "BertProcessing" || type == "RobertaProcessing") return read_bert_processing(field, parts);
  return unknown(field, type);
}

} // namespace headscope::text
