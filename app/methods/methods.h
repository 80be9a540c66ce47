// SPDX-License-Identifier: GPL-3.0-or-later
// All methods, in the order in which help and documents list them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/methods/base/method.h"

namespace headscope::methods {

// Makes all methods, with every option at its default.
std::vector<std::unique_ptr<Method>> all_methods();

// Makes a method by its name. Returns not_found, with the list of names, for any other.
Result<std::unique_ptr<Method>> make_method(const std::string& id);

// What `headscope methods --json` prints about a method.
nlohmann::json describe(Method& method);

} // namespace headscope::methods
