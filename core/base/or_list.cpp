// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/or_list.h"

namespace headscope {

std::string or_list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 < names.size() ? ", " : " or ";
    text += names[i];
  }
  return text;
}

} // namespace headscope
