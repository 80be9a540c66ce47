// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/result.h"

#include "core/base/plain_text.h"

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
  return plain_text(line); // names come from files
}

} // namespace headscope
