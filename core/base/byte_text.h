// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdio>
#include <string>

namespace headscope {

// "\xE4": how a byte of a token that is no whole character is written, in files, figures and the window.
inline std::string byte_text(unsigned char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "\\x%02X", byte);
  return text;
}

} // namespace headscope
