// SPDX-License-Identifier: GPL-3.0-or-later
// A detector that is a Python file, run in a subprocess which reads JSON and HDF5 and answers in JSON.
// docs/plugin-guide.md describes the exchange; headscope_plugin.py is its other side.
#pragma once

#include <memory>

#include "plugins/host/manifest.h"
#include "plugins/sdk/detector.h"

namespace headscope::plugin {

// Reads the rest of the manifest and makes the detector. Returns corrupt, naming the field; not_found when there is no
// Python to run it.
Result<std::shared_ptr<const Detector>> make_python_detector(const Manifest& manifest);

} // namespace headscope::plugin
