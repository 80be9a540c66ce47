// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdio>
#include <string>

namespace headscope {

// Writes a byte that is not a whole character of a token as "\xE4", in files, figures and the window.
inline std::string byte_text(unsigned char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "\\x%02X", byte);
  return text;
}

} // namespace headscope
