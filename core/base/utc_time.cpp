// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utc_time.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace headscope {

std::string utc_time() {
  std::time_t now = std::time(nullptr);
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) {
    std::int64_t seconds = 0;
    const char* end = epoch + std::strlen(epoch);
    constexpr std::int64_t year_9999 = 253402300799;
    const auto parsed = std::from_chars(epoch, end, seconds);
    if (parsed.ec == std::errc() && parsed.ptr == end && seconds >= 0 && seconds <= year_9999)
      now = static_cast<std::time_t>(seconds);
  }
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

} // namespace headscope
