// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/result.h"

namespace headscope {

const char* to_string(ErrorCode code) {
  switch (code) {
  case ErrorCode::invalid_argument: return "invalid_argument";
  case ErrorCode::not_found: return "not_found";
  case ErrorCode::already_exists: return "already_exists";
  case ErrorCode::io: return "io";
  case ErrorCode::corrupt: return "corrupt";
  case ErrorCode::unsupported: return "unsupported";
  case ErrorCode::mismatch: return "mismatch";
  case ErrorCode::out_of_memory: return "out_of_memory";
  case ErrorCode::cancelled: return "cancelled";
  case ErrorCode::device: return "device";
  case ErrorCode::internal: return "internal";
  }
  return "internal";
}

int exit_code(ErrorCode code) {
  switch (code) {
  case ErrorCode::invalid_argument: return 2;
  case ErrorCode::not_found: return 3;
  case ErrorCode::already_exists: return 4;
  case ErrorCode::io: return 5;
  case ErrorCode::corrupt: return 6;
  case ErrorCode::unsupported: return 7;
  case ErrorCode::mismatch: return 8;
  case ErrorCode::out_of_memory: return 9;
  case ErrorCode::device: return 10;
  case ErrorCode::cancelled: return 130; // as a shell reports an interrupted command
  case ErrorCode::internal: return 1;
  }
  return 1;
}

std::string Error::to_string() const {
  std::string line;
  if (!file.empty()) line += file + ": ";
  if (!field.empty()) line += field + ": ";
  line += message;
  // Names come from files: a line feed would make two lines of it, an escape would reach the terminal.
  std::string safe;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    constexpr const char* digits = "0123456789abcdef";
    if (byte >= 0x20 && byte != 0x7f)
      safe += c;
    else
      safe.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  return safe;
}

} // namespace headscope
