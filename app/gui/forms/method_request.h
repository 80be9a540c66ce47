// SPDX-License-Identifier: GPL-3.0-or-later
// The request that a form makes, as plain values for the engine's thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "app/methods/base/method.h"
#include "app/methods/resumable.h"

namespace headscope::gui {

struct MethodRequest {
  std::string id;                            // of the method
  std::map<std::string, std::string> values; // by option, as text; those that are not the default
  std::string out;                           // the result file; empty: none
  bool replace = false;
  bool resumable = false;   // cell by cell, with a journal: app/methods/resumable.h
  std::string command_line; // that does the same

  friend bool operator==(const MethodRequest&, const MethodRequest&) = default;
};

// Makes a method with these values. Returns not_found for an unknown method or option.
Result<std::unique_ptr<methods::Method>> method_of(const MethodRequest& request);

// Finds the unfinished run that this request would continue on that model; nothing where there is none. Reads the
// journal.
std::optional<methods::Unfinished> unfinished(const MethodRequest& request, const std::string& model_sha256);

} // namespace headscope::gui
