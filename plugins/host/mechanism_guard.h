// SPDX-License-Identifier: GPL-3.0-or-later
// Wraps the mechanisms of plugins: an exception becomes an error that names the plugin, and tiles that are no attention
// (wrong shapes, NaN, queries without a key, keys behind their query) are refused.
#pragma once

#include <memory>
#include <string>

#include "core/mechanisms/mechanism_list.h"

namespace headscope::plugin {

// `module` is named in errors. Returns unsupported for a definition that is none: an invalid id, missing texts, options
// whose defaults are outside their bounds or that cannot be written in a spec.
Result<mechanisms::SharedDefinition> guard(std::unique_ptr<mechanisms::MechanismDefinition> definition,
                                           const std::string& module);

} // namespace headscope::plugin
