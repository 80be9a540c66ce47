// SPDX-License-Identifier: GPL-3.0-or-later
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/regex.h"

#include "core/base/limits.h"
#include "core/text/unicode.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace headscope::text {

namespace {

template <auto Free> struct Freed {
  template <typename T> void operator()(T* pointer) const { Free(pointer); }
};
using MatchData = std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Freed<pcre2_compile_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freed<pcre2_jit_stack_free>>;

// White_Space spelled out: PCRE2's \s also takes U+180E, and a list is faster than a property.
constexpr std::string_view whitespace =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// Oniguruma's word characters; the Latin-1 numbers are among them, other numbers of category No are not.
constexpr std::string_view word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

// Long names of properties for which PCRE2 knows only the short ones.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> long_names = {{
    {"Letter", "L"},
    {"Mark", "M"},
    {"Number", "N"},
    {"Punctuation", "P"},
    {"Punct", "P"},
    {"Symbol", "S"},
    {"Separator", "Z"},
    {"Digit", "Nd"},
    {"Space", "White_Space"},
}};

// Oniguruma's word characters inside a class, where the Latin-1 numbers are not among them.
constexpr std::string_view class_word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

// POSIX classes as Oniguruma defines them over Unicode.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> posix_classes = {{
    {"alpha", R"(\p{Alphabetic})"},
    {"digit", R"(\p{Nd})"},
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"upper", R"(\p{Uppercase})"},
    {"lower", R"(\p{Lowercase})"},
    {"space", whitespace},
    {"blank", R"(\t\p{Zs})"},
    {"cntrl", R"(\p{Cc})"},
    {"xdigit", "0-9A-Fa-f"},
    {"word", class_word},
    {"punct", R"(\p{P}\p{S})"},
}};

bool compiles(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                                   &error, &offset, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

// Rewrites what Oniguruma reads differently from PCRE2.
class Translator {
public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (at_ < pattern_.size())
      HS_TRY(step());
    return std::move(out_);
  }

private:
  Status step() {
    const char c = pattern_[at_];
    if (c == '\\' && at_ + 1 < pattern_.size()) return escape(out_);
    if (c == '[') {
      HS_ASSIGN(const std::string set, character_class(0));
      out_ += set;
      return {};
    }
    out_.push_back(c);
    ++at_;
    return {};
  }

  // The operand between two "&&" of a class: members that PCRE2 can list, and nested classes.
  struct Operand {
    std::string members;
    std::vector<std::string> sets;
    std::string alternatives() const {
      if (sets.empty()) return "[" + members + "]";
      std::string out = "(?:";
      if (!members.empty()) out += "[" + members + "]|";
      for (std::size_t i = 0; i < sets.size(); ++i)
        out += (i > 0 ? "|" : "") + sets[i];
      return out + ")";
    }
  };

  // PCRE2 has neither nested classes nor "&&": they become alternatives and look-aheads of one character.
  Result<std::string> character_class(int depth) {
    if (depth > limits::nesting) return refuse("classes that are nested too deeply");
    ++at_;
    const bool negated = at_ < pattern_.size() && pattern_[at_] == '^';
    at_ += negated ? 1 : 0;
    std::vector<Operand> operands(1);
    for (const std::size_t first = at_; at_ < pattern_.size() && (pattern_[at_] != ']' || at_ == first);) {
      Operand& now = operands.back();
      const char c = pattern_[at_];
      in_class_ = true;
      if (c == '\\' && at_ + 1 < pattern_.size()) {
        HS_TRY(class_escape(now));
      } else if (c == '[' && next_is(':')) {
        HS_TRY(posix_class(now));
      } else if (c == '[') {
        HS_ASSIGN(std::string inner, character_class(depth + 1));
        now.sets.push_back(std::move(inner));
      } else if (c == '&' && next_is('&')) {
        operands.emplace_back();
        at_ += 2;
      } else {
        if (c == ']') now.members.push_back('\\');
        now.members.push_back(c);
        ++at_;
      }
    }
    in_class_ = false;
    if (at_ >= pattern_.size()) return make_error(ErrorCode::corrupt, "'[' without ']'");
    ++at_;
    if (operands.size() == 1 && operands[0].sets.empty())
      return std::string(negated ? "[^" : "[") + operands[0].members + "]";
    std::string out;
    for (std::size_t i = operands.size() - 1; i > 0; --i)
      out += "(?=" + operands[i].alternatives() + ")";
    out += operands[0].alternatives();
    return negated ? "(?:(?!" + out + ")(?s:.))" : "(?:" + out + ")";
  }

  Status class_escape(Operand& now) {
    if (pattern_[at_ + 1] != 'W') return escape(now.members);
    now.sets.push_back(std::string("[^").append(class_word).append("]"));
    at_ += 2;
    return {};
  }

  Status posix_class(Operand& now) {
    const std::size_t end = pattern_.find(":]", at_);
    if (end == std::string_view::npos) return make_error(ErrorCode::corrupt, "'[:' without ':]'");
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    at_ = end + 2;
    for (const auto& [known, members] : posix_classes) {
      if (known != name) continue;
      if (negated)
        now.sets.push_back(std::string("[^").append(members).append("]"));
      else
        now.members += members;
      return {};
    }
    now.members += std::string("[:").append(negated ? "^" : "").append(name).append(":]");
    return {};
  }

  Status escape(std::string& out) {
    const char c = pattern_[at_ + 1];
    at_ += 2;
    switch (c) {
    case 's': put_class(whitespace, false, out); return {};
    case 'w': put_class(in_class_ ? class_word : word, false, out); return {};
    case 'S':
      if (in_class_)
        out += R"(\P{White_Space})";
      else
        put_class(whitespace, true, out);
      return {};
    case 'W': put_class(word, true, out); return {};
    case 'p':
    case 'P':
      if (at_ < pattern_.size() && pattern_[at_] == '{') return property(c, out);
      [[fallthrough]];
    default:
      out.push_back('\\');
      out.push_back(c);
      return {};
    case 'h': put_class("0-9A-Fa-f", false, out); return {};
    case 'H':
      if (in_class_) return refuse("\\H in a class");
      put_class("0-9A-Fa-f", true, out);
      return {};
    case 'u':
      if (pattern_.size() - at_ < 4) return make_error(ErrorCode::corrupt, "\\u needs four digits");
      out += "\\x{" + std::string(pattern_.substr(at_, 4)) + "}";
      at_ += 4;
      return {};
    }
  }

  // \p{Han} means the script, where PCRE2 would take its extensions too.
  Status property(char letter, std::string& out) {
    const std::size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) return make_error(ErrorCode::corrupt, "'\\p{' without '}'");
    std::string name(pattern_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    const bool negated = name.starts_with('^');
    if (negated) name.erase(0, 1);
    for (const auto& [from, to] : long_names) {
      if (name == from) name = to;
    }
    if (name.size() > 2 && compiles("\\p{sc:" + name + "}")) name.insert(0, "sc:");
    out.append("\\").append(1, letter).append(negated ? "{^" : "{").append(name).append("}");
    return {};
  }

  void put_class(std::string_view members, bool negated, std::string& out) const {
    if (!in_class_) out += negated ? "[^" : "[";
    out += members;
    if (!in_class_) out += "]";
  }

  bool next_is(char c) const { return at_ + 1 < pattern_.size() && pattern_[at_ + 1] == c; }
  static Error refuse(const std::string& what) {
    return make_error(ErrorCode::unsupported, "the regular expression uses " + what);
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

} // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  std::string pattern; // as the file has it, for messages
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
};

namespace {
// Shortens a pattern for messages, since it may have megabytes.
std::string shortened(std::string_view pattern) {
  constexpr std::size_t most = 200;
  if (pattern.size() <= most) return std::string(pattern);
  std::string storage;
  return std::string(valid_utf8(pattern.substr(0, most), storage)) + "...";
}
} // namespace

Result<Regex> Regex::compile(std::string_view pattern) {
  HS_ASSIGN(const std::string translated, Translator(pattern).run());
  CompileContext context(pcre2_compile_context_create(nullptr));
  auto code = std::make_shared<Code>();
  if (!context) return make_error(ErrorCode::out_of_memory, "no memory for a regular expression");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Oniguruma's ^ and $ match at line ends, hence MULTILINE.
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context.get());
  if (!code->code) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return make_error(ErrorCode::corrupt, "the regular expression \"" + shortened(pattern) +
                                              "\" is invalid: " + reinterpret_cast<const char*>(message));
  }
  code->pattern = pattern;
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE); // where there is no JIT, the interpreter runs it
  return Regex(std::move(code));
}

std::string Regex::escape(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain)
      out.push_back(c);
    else if (byte < 0x20 || byte == 0x7F)
      out += "\\x{" + std::string(1, "0123456789abcdef"[byte >> 4]) + "0123456789abcdef"[byte & 15] + "}";
    else
      (out += '\\') += c;
  }
  return out;
}

namespace {
Error failed(int rc, const std::string& pattern) {
  const std::string shown = shortened(pattern);
  const bool too_long = rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
                        rc == PCRE2_ERROR_JIT_STACKLIMIT || rc == PCRE2_ERROR_RECURSELOOP;
  if (too_long)
    return make_error(
        ErrorCode::corrupt,
        "the regular expression \"" + shown +
            "\" backtracks without end on this text; correct it in the tokenizer's file or shorten the text");
  return make_error(ErrorCode::internal,
                    "the regular expression \"" + shown + "\" failed with PCRE2 code " + std::to_string(rc));
}

// A run of a million spaces backtracks a million times, so a long text may take more steps; but beyond about a second,
// no more steps are allowed than the patterns of published tokenizers need.
std::uint32_t most_steps(std::size_t bytes) {
  constexpr std::uint64_t a_second = 100'000'000;
  const std::uint64_t needed = std::uint64_t{bytes} * 8;
  const std::uint64_t steps = std::min(std::uint64_t{bytes} * limits::regex_steps_per_byte, std::max(a_second, needed));
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(steps, limits::regex_least_steps, UINT32_MAX));
}
} // namespace

Status Regex::find_all(std::string_view utf8, std::vector<Span>& matches) const {
  MatchData data(pcre2_match_data_create_from_pattern(code_->code, nullptr));
  MatchContext context(pcre2_match_context_create(nullptr));
  JitStack stack;
  if (!data || !context) return make_error(ErrorCode::out_of_memory, "no memory for a regular expression match");
  pcre2_set_match_limit(context.get(), most_steps(utf8.size()));
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(utf8.data());
  std::size_t at = 0;
  std::size_t last_end = SIZE_MAX;
  while (at <= utf8.size()) {
    // NO_UTF_CHECK: the text was checked once; checking it at each match would be quadratic.
    const int rc = pcre2_match(code_->code, subject, utf8.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack) {
      stack.reset(pcre2_jit_stack_create(std::size_t{1} << 20, std::size_t{1} << 28, nullptr));
      if (!stack) return make_error(ErrorCode::out_of_memory, "no memory for a regular expression match");
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
      continue;
    }
    if (rc < 0) return failed(rc, code_->pattern);
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    if (bounds[1] == bounds[0] && bounds[1] == last_end) { // no empty match right after another match
      ++at;
      while (at < utf8.size() && (static_cast<unsigned char>(utf8[at]) & 0xC0) == 0x80)
        ++at;
      continue;
    }
    matches.push_back({bounds[0], bounds[1]});
    at = last_end = bounds[1];
  }
  return {};
}

} // namespace headscope::text
