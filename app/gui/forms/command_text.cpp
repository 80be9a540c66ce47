// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/forms/command_text.h"

#include <cctype>

#include "app/gui/forms/option_text.h"

namespace headscope::gui {
namespace {

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_./,:@%+-").find(c) != std::string_view::npos;
}

void append_flag(std::string& text, const std::string& flag, const std::string& value) {
  // The parser reads a word that begins with a dash as another flag.
  const char* between = !value.empty() && value.front() == '-' ? "=" : " ";
  text.append(" ").append(flag).append(between).append(shell_word(value));
}

} // namespace

std::string shell_word(const std::string& text) {
  bool plain = !text.empty();
  for (const char c : text)
    plain = plain && is_plain(c);
  if (plain) return text;
  std::string quoted = "'";
  for (const char c : text)
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  return quoted + "'";
}

std::string flag_text(const methods::Option& option) {
  std::string text;
  if (const auto* flag = std::get_if<bool*>(&option.target)) {
    text.append(" ").append(option.flag()).append(**flag ? "" : "=false");
    return text;
  }
  for (const std::string& word : option_words(option))
    if (option.positional)
      text.append(" ").append(shell_word(word));
    else
      append_flag(text, option.flag(), word);
  return text;
}

std::string model_flags(const CommandModel& model) {
  const CommandModel standard;
  std::string text;
  append_flag(text, "--model", model.model.empty() ? "MODEL" : model.model);
  if (model.dtype != standard.dtype) append_flag(text, "--dtype", model.dtype);
  if (model.device != standard.device) append_flag(text, "--device", model.device);
  if (!model.attention.empty()) append_flag(text, "--attention", model.attention);
  return text;
}

} // namespace headscope::gui
