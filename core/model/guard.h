// SPDX-License-Identifier: GPL-3.0-or-later
// The boundary to Torch: every public function of core that calls it runs its body inside guarded(), which turns
// exceptions into errors. Cancelling is an exception inside and becomes an Error here.
#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include <c10/util/Exception.h>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope {

struct CancelledException : std::exception {
  const char* what() const noexcept override { return "cancelled"; }
};

// Carries an Error through code that cannot return a Result.
struct ErrorException : std::exception {
  explicit ErrorException(Error e) : error(std::move(e)) {}
  const char* what() const noexcept override { return error.message.c_str(); }
  Error error;
};

inline void throw_if_cancelled(const CancelToken& token) {
  if (token.cancelled()) throw CancelledException();
}

// Makes the error for an exception that Torch or the standard library threw.
Error error_from_exception(const std::exception& exception, const std::string& doing);

// Runs body(), which returns a Result or Status; `doing` says in the error what failed, e.g. "running the model".
template <typename Body> auto guarded(const std::string& doing, Body&& body) -> std::invoke_result_t<Body> {
  try {
    return body();
  } catch (const std::exception& exception) {
    return error_from_exception(exception, doing);
  }
}

} // namespace headscope
