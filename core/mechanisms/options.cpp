// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/options.h"

#include <array>
#include <charconv>

namespace headscope::mechanisms {

std::string number_text(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string default_text(const MechanismOption& option) {
  switch (option.kind()) {
  case OptionKind::whole: return std::to_string(std::get<std::int64_t>(option.value));
  case OptionKind::number: return number_text(std::get<double>(option.value));
  case OptionKind::choice: return option.choices[static_cast<std::size_t>(std::get<std::int64_t>(option.value))];
  case OptionKind::text: break;
  }
  return std::get<std::string>(option.value);
}

} // namespace headscope::mechanisms
