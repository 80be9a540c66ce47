// SPDX-License-Identifier: GPL-3.0-or-later
// What a form asks for, as plain values that go to the engine's thread.
#pragma once

#include <map>
#include <string>

#include "app/methods/base/method.h"

namespace headscope::gui {

struct MethodRequest {
  std::string id;                            // of the method
  std::map<std::string, std::string> values; // by option, as text; those that are not the default
  std::string out;                           // the result file; empty: none
  bool replace = false;
  std::string command_line; // that does the same

  friend bool operator==(const MethodRequest&, const MethodRequest&) = default;
};

// A new method with these values. not_found for a method or an option that there is not.
Result<std::unique_ptr<methods::Method>> method_of(const MethodRequest& request);

} // namespace headscope::gui
