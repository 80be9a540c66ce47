// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/base/limits.h"
#include "core/text/unicode.h"

namespace headscope::text {

void replace_all(std::string& text, std::string_view literal, std::string_view content) {
  if (literal.empty()) return;
  std::size_t found = text.find(literal);
  if (found == std::string::npos) return;
  std::string out;
  std::size_t at = 0;
  for (; found != std::string::npos; found = text.find(literal, at)) {
    out.append(text, at, found - at).append(content);
    at = found + literal.size();
  }
  text = out.append(text, at, std::string::npos);
}

std::size_t most_normalized(std::size_t bytes) {
  return std::max(limits::normalized_least_bytes, bytes * limits::normalized_growth);
}

namespace {

Status check_size(std::size_t size, std::size_t most) {
  if (size <= most) return {};
  return make_error(ErrorCode::corrupt, "the tokenizer's normalizers or decoders make more than " +
                                            std::to_string(most) +
                                            " bytes of the text; correct them in its file or shorten the text");
}

class Form : public Normalizer {
public:
  explicit Form(UnicodeForm form) : form_(form) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    if (is_ascii(utf8)) return {};
    int options = UTF8PROC_STABLE;
    options |= form_ == UnicodeForm::nfc || form_ == UnicodeForm::nfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    if (form_ == UnicodeForm::nfkc || form_ == UnicodeForm::nfkd) options |= UTF8PROC_COMPAT;
    utf8proc_uint8_t* mapped = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()), static_cast<utf8proc_ssize_t>(utf8.size()),
                     &mapped, static_cast<utf8proc_option_t>(options));
    if (size < 0) {
      std::free(mapped);
      return make_error(ErrorCode::internal, std::string("Unicode normalization failed: ") + utf8proc_errmsg(size));
    }
    utf8.assign(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
    std::free(mapped);
    return {};
  }

private:
  UnicodeForm form_;
};

// Rewrites a text one character at a time.
class ByCharacter : public Normalizer {
public:
  using Rewrite = void (*)(char32_t c, std::string& out);
  explicit ByCharacter(Rewrite rewrite) : rewrite_(rewrite) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    std::string out;
    out.reserve(utf8.size());
    for (std::string_view rest = utf8; !rest.empty();) {
      const CodePoint c = first_code_point(rest);
      rewrite_(c.value, out);
      rest.remove_prefix(c.length);
    }
    utf8 = std::move(out);
    return {};
  }

private:
  Rewrite rewrite_;
};

class StripSpaces : public Normalizer {
public:
  StripSpaces(bool left, bool right) : left_(left), right_(right) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    std::string_view rest = utf8;
    while (left_ && !rest.empty() && is_whitespace(first_code_point(rest).value)) {
      rest.remove_prefix(first_code_point(rest).length);
    }
    while (right_ && !rest.empty() && is_whitespace(last_code_point(rest).value)) {
      rest.remove_suffix(last_code_point(rest).length);
    }
    utf8 = std::string(rest);
    return {};
  }

private:
  bool left_;
  bool right_;
};

class Prepend : public Normalizer {
public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    if (utf8.empty()) return {};
    HS_TRY(check_size(utf8.size() + prefix_.size(), most));
    utf8.insert(0, prefix_);
    return {};
  }

private:
  std::string prefix_;
};

class ReplaceLiteral : public Normalizer {
public:
  ReplaceLiteral(std::string literal, std::string content)
      : literal_(std::move(literal)), content_(std::move(content)) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    if (content_.size() > literal_.size() && !literal_.empty()) {
      std::size_t size = utf8.size();
      for (std::size_t at = utf8.find(literal_); at != std::string::npos && size <= most;
           at = utf8.find(literal_, at + literal_.size()))
        size += content_.size() - literal_.size();
      HS_TRY(check_size(size, most));
    }
    replace_all(utf8, literal_, content_);
    return {};
  }

private:
  std::string literal_;
  std::string content_;
};

class ReplacePattern : public Normalizer {
public:
  ReplacePattern(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    std::vector<Span> matches;
    HS_TRY(pattern_.find_all(utf8, matches));
    std::string out;
    std::size_t at = 0;
    for (const Span& match : matches) {
      HS_TRY(check_size(out.size() + match.begin - at + content_.size(), most));
      out.append(utf8, at, match.begin - at).append(content_);
      at = match.end;
    }
    utf8 = out.append(utf8, at, std::string::npos);
    return {};
  }

private:
  Regex pattern_;
  std::string content_;
};

// The double array and the rules of spm_precompiled, with its choice of the shortest matching key.
class Precompiled : public Normalizer {
public:
  Precompiled(std::vector<std::uint32_t> units, std::string blob) : units_(std::move(units)), blob_(std::move(blob)) {}

  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    std::string out;
    std::string_view rest = utf8;
    while (!rest.empty()) {
      const std::string_view grapheme = rest.substr(0, grapheme_length(rest));
      rest.remove_prefix(grapheme.size());
      HS_TRY(check_size(out.size(), most));
      if (grapheme.size() < 6 && transform(grapheme, out)) continue;
      for (std::string_view left = grapheme; !left.empty();) {
        const std::string_view character = left.substr(0, first_code_point(left).length);
        if (!transform(character, out)) out += character;
        left.remove_prefix(character.size());
      }
    }
    std::string storage; // the rules come from a file and need not be UTF-8
    utf8 = std::string(valid_utf8(out, storage));
    return {};
  }

private:
  static std::size_t grapheme_length(std::string_view text) {
    utf8proc_int32_t state = 0;
    CodePoint before = first_code_point(text);
    std::size_t length = before.length;
    while (length < text.size()) {
      const CodePoint c = first_code_point(text.substr(length));
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before.value),
                                           static_cast<utf8proc_int32_t>(c.value), &state)) {
        break;
      }
      before = c;
      length += c.length;
    }
    return length;
  }

  bool transform(std::string_view key, std::string& out) const {
    const auto offset = [](std::uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); };
    std::size_t node = offset(units_[0]);
    for (const char c : key) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) break;
      node ^= byte;
      if (node >= units_.size()) return false;
      const std::uint32_t unit = units_[node];
      if ((unit & ((1U << 31) | 0xFF)) != byte) return false;
      node ^= offset(unit);
      if (node >= units_.size()) return false;
      if (((unit >> 8) & 1) == 0) continue;
      const std::size_t at = units_[node] & ((1U << 31) - 1);
      if (at >= blob_.size()) return false;
      out += blob_.c_str() + at; // up to the NUL
      return true;
    }
    return false;
  }

  std::vector<std::uint32_t> units_;
  std::string blob_;
};

void lower(char32_t c, std::string& out) {
  append_utf8(to_lower(c), out);
  if (c == 0x130) append_utf8(0x307, out); // the one letter whose lower case is two characters
}

void drop_accent(char32_t c, std::string& out) {
  if (!is_mark(c)) append_utf8(c, out);
}

bool is_other(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) >= UTF8PROC_CATEGORY_CC; // without what is unassigned
}

void clean(char32_t c, std::string& out) {
  const bool blank = c == '\t' || c == '\n' || c == '\r';
  if (c == 0 || c == 0xFFFD || (!blank && is_other(c))) return;
  append_utf8(blank || is_whitespace(c) ? U' ' : c, out);
}

void space_chinese(char32_t c, std::string& out) {
  const bool chinese = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
                       (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
                       (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  if (chinese) out += ' ';
  append_utf8(c, out);
  if (chinese) out += ' ';
}

void drop_nonspacing(char32_t c, std::string& out) {
  if (utf8proc_category(static_cast<utf8proc_int32_t>(c)) != UTF8PROC_CATEGORY_MN) append_utf8(c, out);
}

class ByteLevel : public Normalizer {
public:
  Status apply(std::string& utf8, [[maybe_unused]] std::size_t most) const override {
    std::string out;
    out.reserve(utf8.size() * 2);
    for (const char byte : utf8)
      append_utf8(byte_to_char(static_cast<unsigned char>(byte)), out);
    utf8 = std::move(out);
    return {};
  }
};

} // namespace

std::unique_ptr<Normalizer> normalize_form(UnicodeForm form) { return std::make_unique<Form>(form); }
std::unique_ptr<Normalizer> normalize_lowercase() { return std::make_unique<ByCharacter>(lower); }
std::unique_ptr<Normalizer> normalize_strip_accents() { return std::make_unique<ByCharacter>(drop_accent); }
std::unique_ptr<Normalizer> normalize_strip(bool left, bool right) {
  return std::make_unique<StripSpaces>(left, right);
}
std::unique_ptr<Normalizer> normalize_prepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
std::unique_ptr<Normalizer> normalize_replace(std::string literal, std::string content) {
  return std::make_unique<ReplaceLiteral>(std::move(literal), std::move(content));
}
std::unique_ptr<Normalizer> normalize_replace(Regex pattern, std::string content) {
  return std::make_unique<ReplacePattern>(std::move(pattern), std::move(content));
}
std::unique_ptr<Normalizer> normalize_clean_text() { return std::make_unique<ByCharacter>(clean); }
std::unique_ptr<Normalizer> normalize_chinese() { return std::make_unique<ByCharacter>(space_chinese); }
std::unique_ptr<Normalizer> normalize_strip_nonspacing() { return std::make_unique<ByCharacter>(drop_nonspacing); }
std::unique_ptr<Normalizer> normalize_byte_level() { return std::make_unique<ByteLevel>(); }

Result<std::unique_ptr<Normalizer>> normalize_precompiled(std::string_view charsmap) {
  const auto read = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i > 0; --i)
      value = (value << 8) | static_cast<unsigned char>(charsmap[at + i - 1]);
    return value;
  };
  if (charsmap.size() < 8) return make_error(ErrorCode::corrupt, "the precompiled character map is too short");
  const std::uint32_t bytes = read(0);
  if (bytes < 4 || bytes % 4 != 0 || bytes > charsmap.size() - 4) {
    return make_error(ErrorCode::corrupt, "the precompiled character map names an impossible size");
  }
  std::vector<std::uint32_t> units(bytes / 4);
  for (std::size_t i = 0; i < units.size(); ++i)
    units[i] = read(4 + 4 * i);
  return std::unique_ptr<Normalizer>(
      std::make_unique<Precompiled>(std::move(units), std::string(charsmap.substr(4 + bytes))));
}

} // namespace headscope::text
