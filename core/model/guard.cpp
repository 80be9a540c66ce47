// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/guard.h"

#include <new>

namespace headscope {
namespace {

// Torch appends a backtrace after the first line of what went wrong.
std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  while (!line.empty() && (line.back() == '.' || line.back() == ' '))
    line.pop_back();
  return line;
}

bool mentions(const std::string& text, const char* words) { return text.find(words) != std::string::npos; }

} // namespace

Error error_from_exception(const std::exception& exception, const std::string& doing) {
  if (const auto* carried = dynamic_cast<const ErrorException*>(&exception)) return carried->error;
  if (dynamic_cast<const CancelledException*>(&exception))
    return make_error(ErrorCode::cancelled, doing + " was cancelled");
  if (dynamic_cast<const std::bad_alloc*>(&exception))
    return make_error(ErrorCode::out_of_memory, doing + " ran out of memory");
  const auto* torch = dynamic_cast<const c10::Error*>(&exception);
  const std::string what = torch ? torch->what_without_backtrace() : exception.what();
  if (mentions(what, "out of memory") || mentions(what, "can't allocate memory") ||
      mentions(what, "not enough memory") || mentions(what, "Cannot allocate memory"))
    return make_error(ErrorCode::out_of_memory, doing + " ran out of memory: " + first_line(what) +
                                                    "; use fewer tokens, a smaller batch or bfloat16");
  if (mentions(what, "CUDA") || mentions(what, "CUBLAS"))
    return make_error(ErrorCode::device, doing + " failed on the GPU: " + first_line(what));
  return make_error(ErrorCode::internal, doing + " failed: " + first_line(what));
}

} // namespace headscope
