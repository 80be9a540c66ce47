// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/utf8.h"

#include <nlohmann/json.hpp>

namespace headscope::io {

std::string readable_utf8(std::string_view text) {
  using nlohmann::json;
  return json::parse(json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

} // namespace headscope::io
