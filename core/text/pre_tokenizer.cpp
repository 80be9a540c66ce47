// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/pre_tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/text/unicode.h"

namespace headscope::text {

namespace {

struct Part {
  Span span;
  bool match = false;
};

// Splits the whole into unmatched and matched parts, some of them empty.
std::vector<Part> parts_of(Span whole, const std::vector<Span>& matches, bool invert) {
  std::vector<Part> parts;
  std::size_t at = whole.begin;
  for (const Span& match : matches) {
    if (match.begin > at) parts.push_back({{at, match.begin}, invert});
    parts.push_back({match, !invert});
    at = match.end;
  }
  if (at < whole.end) parts.push_back({{at, whole.end}, invert});
  return parts;
}

void append_merged_next(const std::vector<Part>& parts, std::vector<Span>& out) {
  const std::size_t first = out.size();
  bool after_match = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->match && !after_match && out.size() > first)
      out.back().begin = part->span.begin;
    else
      out.push_back(part->span);
    after_match = part->match;
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

void append_in_order(const std::vector<Part>& parts, SplitBehavior behavior, std::vector<Span>& out) {
  const std::size_t first = out.size();
  std::optional<bool> previous;
  for (const Part& part : parts) {
    bool merge = false;
    if (behavior == SplitBehavior::merged_with_previous) merge = part.match && !previous.value_or(false);
    if (behavior == SplitBehavior::contiguous) merge = previous == part.match;
    previous = part.match;
    if (behavior == SplitBehavior::removed && part.match) continue;
    if (merge && out.size() > first)
      out.back().end = part.span.end;
    else
      out.push_back(part.span);
  }
}

void append_parts(const std::vector<Part>& parts, SplitBehavior behavior, std::vector<Span>& out) {
  const std::size_t first = out.size();
  if (behavior == SplitBehavior::merged_with_next)
    append_merged_next(parts, out);
  else
    append_in_order(parts, behavior, out);
  const auto is_empty = [](const Span& span) { return span.begin == span.end; };
  out.erase(std::remove_if(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), is_empty), out.end());
}

class PatternSplit : public PreTokenizer {
public:
  PatternSplit(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status apply(Segment& segment) const override {
    std::vector<Span> out;
    std::vector<Span> matches;
    for (const Span& span : segment.spans) {
      matches.clear();
      HS_TRY(pattern_.find_all(segment.view(span), matches));
      for (Span& match : matches) {
        match.begin += span.begin;
        match.end += span.begin;
      }
      append_parts(parts_of(span, matches, invert_), behavior_, out);
    }
    segment.spans = std::move(out);
    return {};
  }

private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class CharacterSplit : public PreTokenizer {
public:
  CharacterSplit(SplitCharacters characters, SplitBehavior behavior) : characters_(characters), behavior_(behavior) {}

  Status apply(Segment& segment) const override {
    std::vector<Span> out;
    std::vector<Span> matches;
    for (const Span& span : segment.spans) {
      matches.clear();
      for (std::size_t at = span.begin; at < span.end;) {
        const CodePoint c = first_code_point(std::string_view(segment.text).substr(at));
        if (is_member(c.value)) matches.push_back({at, at + c.length});
        at += c.length;
      }
      append_parts(parts_of(span, matches, false), behavior_, out);
    }
    segment.spans = std::move(out);
    return {};
  }

private:
  bool is_member(char32_t c) const {
    switch (characters_) {
    case SplitCharacters::digit:
    case SplitCharacters::digits: return is_numeric(c);
    case SplitCharacters::whitespace: return is_whitespace(c);
    case SplitCharacters::punctuation: return is_punctuation(c);
    }
    return false;
  }

  SplitCharacters characters_;
  SplitBehavior behavior_;
};

class ByteLevelSplit : public PreTokenizer {
public:
  ByteLevelSplit(bool add_prefix_space, std::optional<Regex> pattern) : prefix_(add_prefix_space) {
    if (pattern) split_ = split_pattern(std::move(*pattern), SplitBehavior::isolated, false);
  }

  Status apply(Segment& segment) const override {
    if (prefix_) add_prefix(segment);
    if (split_) HS_TRY(split_->apply(segment));
    std::string text;
    text.reserve(segment.text.size() + segment.text.size() / 2);
    for (Span& span : segment.spans) {
      const std::size_t begin = text.size();
      for (std::size_t at = span.begin; at < span.end; ++at) {
        append_utf8(byte_to_char(static_cast<unsigned char>(segment.text[at])), text);
      }
      span = {begin, text.size()};
    }
    segment.text = std::move(text);
    return {};
  }

private:
  static void add_prefix(Segment& segment) {
    std::string text;
    for (Span& span : segment.spans) {
      const std::size_t begin = text.size();
      if (segment.text[span.begin] != ' ') text.push_back(' ');
      text += segment.view(span);
      span = {begin, text.size()};
    }
    segment.text = std::move(text);
  }

  bool prefix_;
  std::unique_ptr<PreTokenizer> split_;
};

class Metaspace : public PreTokenizer {
public:
  Metaspace(std::string replacement, PrependScheme scheme, std::unique_ptr<PreTokenizer> split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(std::move(split)) {}

  Status apply(Segment& segment) const override {
    std::string text;
    text.reserve(segment.text.size() + segment.text.size() / 2);
    for (Span& span : segment.spans) {
      const std::size_t begin = text.size();
      const std::string_view piece = segment.view(span);
      const bool starts = piece.starts_with(replacement_) || piece.starts_with(' ');
      const bool may =
          scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && segment.at_start && span.begin == 0);
      if (may && !starts) text += replacement_;
      for (const char c : piece) {
        if (c == ' ')
          text += replacement_;
        else
          text.push_back(c);
      }
      span = {begin, text.size()};
    }
    segment.text = std::move(text);
    return split_ ? split_->apply(segment) : Status{};
  }

private:
  std::string replacement_;
  PrependScheme scheme_;
  std::unique_ptr<PreTokenizer> split_;
};

} // namespace

std::unique_ptr<PreTokenizer> split_pattern(Regex pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<PatternSplit>(std::move(pattern), behavior, invert);
}

std::unique_ptr<PreTokenizer> split_characters(SplitCharacters characters, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit>(characters, behavior);
}

Result<std::unique_ptr<PreTokenizer>> split_byte_level(bool add_prefix_space, bool use_regex) {
  std::optional<Regex> pattern;
  if (use_regex) {
    HS_ASSIGN(pattern, Regex::compile(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"));
  }
  return std::unique_ptr<PreTokenizer>(std::make_unique<ByteLevelSplit>(add_prefix_space, std::move(pattern)));
}

Result<std::unique_ptr<PreTokenizer>> split_metaspace(const std::string& replacement, PrependScheme scheme,
                                                      bool split) {
  std::unique_ptr<PreTokenizer> cut;
  if (split) {
    HS_ASSIGN(Regex pattern, Regex::compile(Regex::escape(replacement)));
    cut = split_pattern(std::move(pattern), SplitBehavior::merged_with_next, false);
  }
  return std::unique_ptr<PreTokenizer>(std::make_unique<Metaspace>(replacement, scheme, std::move(cut)));
}

} // namespace headscope::text
