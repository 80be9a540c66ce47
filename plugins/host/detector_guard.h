// SPDX-License-Identifier: GPL-3.0-or-later
// Wraps the detectors of plugins: an exception becomes an error that names the plugin, and a result that does not fit
// the model is refused.
#pragma once

#include <memory>
#include <string>

#include "plugins/sdk/detector.h"

namespace headscope::plugin {

// `module` is named in errors. Returns an error when the object throws while asked for its name, options and texts, or
// when its id is invalid (manifest.h, is_id).
Result<std::shared_ptr<const Detector>> guard(std::unique_ptr<Detector> detector, const std::string& module);

} // namespace headscope::plugin
