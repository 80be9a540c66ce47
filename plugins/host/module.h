// SPDX-License-Identifier: GPL-3.0-or-later
// Opens a plugin's shared module in this process. A crash here crashes the process, so probe.h tries another process
// first.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/mechanisms/mechanism_list.h"
#include "plugins/host/manifest.h"
#include "plugins/sdk/detector.h"

namespace headscope::plugin {

// A module's objects, guarded (detector_guard.h, mechanism_guard.h).
struct ModuleObjects {
  std::vector<std::shared_ptr<const Detector>> detectors;
  std::vector<mechanisms::SharedDefinition> mechanisms;

  std::vector<std::string> ids() const;
};

// Called before each step with what is done next, e.g. "opening it", for a report when the step ends the process.
using StageFn = std::function<void(const char* stage)>;

// Opens a module, which stays open until the process ends. Returns unsupported for one that cannot be opened or makes
// nothing, mismatch for another SDK.
Result<ModuleObjects> open_module(const Manifest& manifest, const StageFn& stage = {});

} // namespace headscope::plugin
