// SPDX-License-Identifier: GPL-3.0-or-later
// All methods, in the order in which help and documents list them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/methods/base/method.h"

namespace headscope::methods {

// Each with every option at its default.
std::vector<std::unique_ptr<Method>> all_methods();

// Returns not_found, with the list of names.
Result<std::unique_ptr<Method>> make_method(const std::string& id);

// What `headscope methods --json` prints of it.
nlohmann::json describe(Method& method);

} // namespace headscope::methods
