// SPDX-License-Identifier: GPL-3.0-or-later
// Calls of code that others wrote: it may throw anything, and that is not a defect of Headscope.
#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include "core/model/guard.h"

namespace headscope::plugin {

// Like guarded(), with unsupported in place of internal.
template <typename Body> auto walled(const std::string& doing, Body&& body) -> std::invoke_result_t<Body> {
  auto result = guarded(doing, [&]() -> std::invoke_result_t<Body> {
    try {
      return body();
    } catch (const std::exception&) {
      throw;
    } catch (...) {
      return make_error(ErrorCode::internal, doing + " failed: an exception of an unknown type");
    }
  });
  if (result.ok() || result.error().code != ErrorCode::internal) return result;
  return make_error(ErrorCode::unsupported, result.error().message, result.error().file, result.error().field);
}

// The same where errors are thrown on, to the next guarded().
template <typename Body> auto walled_call(const std::string& doing, Body&& body) -> std::invoke_result_t<Body> {
  using Value = std::invoke_result_t<Body>;
  if constexpr (std::is_void_v<Value>) {
    const Status status = walled(doing, [&]() -> Status {
      body();
      return {};
    });
    if (!status.ok()) throw ErrorException(status.error());
  } else {
    auto result = walled(doing, [&]() -> Result<Value> { return body(); });
    if (!result.ok()) throw ErrorException(std::move(result).error());
    return std::move(result).value();
  }
}

} // namespace headscope::plugin
