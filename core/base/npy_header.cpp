// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/npy_header.h"

namespace headscope {

std::string npy_header(std::string_view type, const std::vector<std::int64_t>& shape) {
  std::string text("{'descr': '");
  text.append(type).append("', 'fortran_order': False, 'shape': (");
  for (const std::int64_t size : shape)
    text.append(std::to_string(size)).append(",");
  text.append("), }");
  if (shape.size() > 1) text.erase(text.rfind(",)"), 1);
  constexpr std::size_t preamble = 10; // magic, version, header length
  text.append(63 - (preamble + text.size()) % 64, ' ').append("\n");
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header.append(text);
}

} // namespace headscope
