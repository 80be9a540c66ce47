// SPDX-License-Identifier: GPL-3.0-or-later
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/regex.h"

#include "core/base/limits.h"

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

// Long names of properties that PCRE2 knows by their short ones only.
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
    if (c == '\\' && at_ + 1 < pattern_.size()) return escape();
    if (in_class_) {
      if (c == ']' && at_ > class_first_) in_class_ = false;
      if (c == '[' && !next_is(':')) return refuse("a class inside a class");
      if (c == '[') return posix_class();
      if (c == '&' && next_is('&')) return refuse("'&&' in a class");
    } else if (c == '[') {
      in_class_ = true;
      class_first_ = at_ + (next_is('^') ? 2 : 1);
    }
    out_.push_back(c);
    ++at_;
    return {};
  }

  Status posix_class() {
    const std::size_t end = pattern_.find(":]", at_);
    if (end == std::string_view::npos) return make_error(ErrorCode::corrupt, "'[:' without ':]'");
    out_ += pattern_.substr(at_, end + 2 - at_);
    at_ = end + 2;
    return {};
  }

  Status escape() {
    const char c = pattern_[at_ + 1];
    at_ += 2;
    switch (c) {
    case 's': put_class(whitespace, false); return {};
    case 'w': put_class(word, false); return {};
    case 'S':
      if (in_class_)
        out_ += R"(\P{White_Space})";
      else
        put_class(whitespace, true);
      return {};
    case 'W':
      if (in_class_) return refuse("\\W in a class");
      put_class(word, true);
      return {};
    case 'p':
    case 'P':
      if (at_ < pattern_.size() && pattern_[at_] == '{') return property(c);
      [[fallthrough]];
    default:
      out_.push_back('\\');
      out_.push_back(c);
      return {};
    case 'h':
    case 'H': return refuse("\\h");
    case 'u':
      if (pattern_.size() - at_ < 4) return make_error(ErrorCode::corrupt, "\\u needs four digits");
      out_ += "\\x{" + std::string(pattern_.substr(at_, 4)) + "}";
      at_ += 4;
      return {};
    }
  }

  // \p{Han} means the script, where PCRE2 would take its extensions too.
  Status property(char letter) {
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
    out_.append("\\").append(1, letter).append(negated ? "{^" : "{").append(name).append("}");
    return {};
  }

  void put_class(std::string_view members, bool negated) {
    if (!in_class_) out_ += negated ? "[^" : "[";
    out_ += members;
    if (!in_class_) out_ += "]";
  }

  bool next_is(char c) const { return at_ + 1 < pattern_.size() && pattern_[at_ + 1] == c; }
  static Error refuse(const std::string& what) {
    return make_error(ErrorCode::unsupported, "the regular expression uses " + what);
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::size_t class_first_ = 0; // where a ']' would still be a member
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
    return make_error(ErrorCode::corrupt, "the regular expression \"" + std::string(pattern) +
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
  const std::string shown = pattern.size() > 200 ? pattern.substr(0, 200) + "..." : pattern;
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

// A run of a million spaces backtracks a million times, so that a long text may take more steps; but what goes on for
// more than about a second takes no more than the patterns of published tokenizers need.
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
    if (bounds[1] == bounds[0] && bounds[1] == last_end) { // no empty match right behind another match
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
